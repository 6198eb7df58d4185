// What went wrong, and what to do about it.

import { Refused, Unreachable } from '../api/call';

export function Notice({ error, onRetry }: { error: Error | null; onRetry?: () => void }) {
  if (error === null) return null;
  return (
    <div className="notice" role="alert">
      <p className="notice-reason">{error.message}</p>
      {error instanceof Refused && error.hint && <p className="notice-hint">{error.hint}</p>}
      {error instanceof Refused && error.retryAfter !== null && <p>Wait {error.retryAfter} seconds.</p>}
      {error instanceof Unreachable && <p className="notice-hint">What is on the screen stays. Trying again is harmless.</p>}
      {error instanceof Refused && <p className="notice-code">{error.code}</p>}
      {onRetry && (
        <button type="button" className="quiet" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
