// Which page is shown: the path of the address, and nothing else.

import { useSyncExternalStore, type MouseEvent, type ReactNode } from 'react';

const listeners = new Set<() => void>();

window.addEventListener('popstate', () => listeners.forEach((listener) => listener()));

export function go(path: string): void {
  window.history.pushState(null, '', path);
  window.scrollTo(0, 0);
  listeners.forEach((listener) => listener());
}

export function usePath(): string {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => window.location.pathname,
  );
}

export function Link({ to, children, className }: { to: string; children: ReactNode; className?: string }) {
  const follow = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  const isHere = usePath() === to;
  return (
    <a href={to} onClick={follow} className={className} aria-current={isHere ? 'page' : undefined}>
      {children}
    </a>
  );
}
