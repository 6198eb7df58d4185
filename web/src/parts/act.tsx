// An act: a form in a dialog that says who does it, does it once, and says what went wrong.

import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { newKey, post, Refused } from '../api/call';
import type { Right } from '../api/documents';
import { useLive } from '../api/live';
import { useAsksForName, useWhyNot } from '../session';
import { Field } from './field';
import { Notice } from './notice';

/** A button for something that not everybody may do; who may not is told why. */
export function ActButton({ right, onPress, children, className, small }: {
  right: Right;
  onPress: () => void;
  children: ReactNode;
  className?: string;
  small?: boolean;
}) {
  const why = useWhyNot(right);
  const id = useId();
  const classes = [className ?? '', small ? 'small' : ''].join(' ').trim();
  return (
    <>
      <button type="button" className={classes} onClick={() => !why && onPress()} aria-disabled={why !== '' || undefined} title={why || undefined}
        aria-describedby={why ? id : undefined}>
        {children}
      </button>
      {why && (
        <span id={id} className="for-readers">
          {why}
        </span>
      )}
    </>
  );
}

// Whoever shares an account says their name once, not at every act; it is forgotten with the page.
let lastName = '';

interface ActDialog {
  readonly title: ReactNode;
  readonly path: string;
  /** What the act is told; `null` while something is missing. */
  readonly body: () => Readonly<Record<string, unknown>>;
  readonly submit: string;
  readonly danger?: boolean;
  readonly onDone: (answer: unknown) => void;
  readonly onClose: () => void;
  readonly children?: ReactNode;
  readonly needsReason?: boolean;
  /** How long the answer may take, where other systems are asked. */
  readonly milliseconds?: number;
}

export function ActDialog({ title, path, body, submit, danger, onDone, onClose, children, needsReason, milliseconds }: ActDialog) {
  const [by, setBy] = useState(lastName);
  const [reason, setReason] = useState('');
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const key = useRef(newKey());
  const asksForName = useAsksForName();
  const { sessionEnded } = useLive();

  const act = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setIsBusy(true);
    setError(null);
    const told = { ...body(), ...(asksForName ? { by } : {}), ...(needsReason ? { reason } : {}) };
    try {
      const answer = await post(path, told, key.current, milliseconds);
      lastName = by;
      onDone(answer);
    } catch (failure) {
      if (failure instanceof Refused) {
        // Refused means that nothing was recorded: what is asked next is another act.
        key.current = newKey();
        if (failure.endsSession) sessionEnded();
      }
      setError(failure as Error);
      setIsBusy(false);
    }
  };

  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => void act(event)}>
        <div className="fields">
          {children}
          {needsReason && <Field label="Reason" value={reason} onChange={setReason} required wide maxLength={1000} />}
          {asksForName && (
            <Field label="Your name" value={by} onChange={setBy} required wide maxLength={200} autoComplete="name" help="Stands in the record as who did it." />
          )}
        </div>
        <Notice error={error} />
        <div className="dialog-acts">
          <button type="button" className="quiet" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className={danger ? 'danger' : 'primary'} aria-busy={isBusy}>
            {isBusy ? 'Recording…' : submit}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** The browser's own dialog: it holds the focus, and Escape closes it. */
export function Dialog({ title, onClose, children }: { title: ReactNode; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close();
      // Whoever works by keyboard goes on where they were.
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onCancel={(event) => { event.preventDefault(); onClose(); }}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
