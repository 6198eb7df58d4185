// Documents on the screen: fetched once, and again whenever the line says that they changed.

import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { get, Refused, Unreachable, type Query } from './call';
import { Line, type LineState } from './line';

type Watcher = (documents: readonly string[] | null) => void;

interface Live {
  readonly state: LineState;
  /** When we last knew that what is on the screen is so. */
  readonly asOf: Date | null;
  watch(watcher: Watcher): () => void;
  heard(): void;
  sessionEnded(): void;
}

const Context = createContext<Live | null>(null);

/** `round` counts the logins: after each the line is opened anew, and what is on the screen stays there meanwhile. */
export function LiveDocuments({ round, onSessionEnded, children }: { round: number; onSessionEnded: () => void; children: ReactNode }) {
  const [state, setState] = useState<LineState>('connecting');
  const [asOf, setAsOf] = useState<Date | null>(null);
  const watchers = useRef(new Set<Watcher>());
  const ended = useRef(onSessionEnded);
  ended.current = onSessionEnded;

  useEffect(() => {
    const line = new Line({
      changed: (documents) => watchers.current.forEach((watcher) => watcher(documents)),
      state: (told) => {
        setState(told);
        if (told === 'live') setAsOf(new Date());
        if (told === 'session-ended') ended.current();
      },
    });
    line.start();
    return () => line.stop();
  }, [round]);

  const live = useMemo<Live>(
    () => ({
      state,
      asOf,
      watch: (watcher) => {
        watchers.current.add(watcher);
        return () => void watchers.current.delete(watcher);
      },
      heard: () => setAsOf(new Date()),
      sessionEnded: () => ended.current(),
    }),
    [state, asOf],
  );
  return <Context value={live}>{children}</Context>;
}

export function useLive(): Live {
  const live = useContext(Context);
  if (live === null) throw new Error('useLive outside of LiveDocuments');
  return live;
}

export interface Shown<T> {
  readonly document: T | null;
  readonly error: Error | null;
  readonly isLoading: boolean;
  reload(): void;
}

/** Show one document, and keep it as it is at `serve`. Null as path shows nothing. One that is not told of by itself changes with another. */
export function useDocument<T>(path: string | null, query: Query = {}, everyMilliseconds = 0, changesWith = path): Shown<T> {
  const { watch, heard, sessionEnded } = useLive();
  const asked = JSON.stringify([path, query]);
  const [shown, setShown] = useState<{ asked: string; document: T | null; error: Error | null }>({ asked, document: null, error: null });
  const [isLoading, setIsLoading] = useState(path !== null);
  const latest = useRef(0);
  const calls = useRef({ heard, sessionEnded });
  calls.current = { heard, sessionEnded };

  const fetchIt = useCallback(
    async (automatic: boolean) => {
      if (path === null) return;
      const mine = ++latest.current;
      setIsLoading(true);
      try {
        const document = await get<T>(path, JSON.parse(asked)[1] as Query, automatic);
        if (mine !== latest.current) return;
        calls.current.heard();
        setShown({ asked, document, error: null });
      } catch (error) {
        if (mine !== latest.current) return;
        if (error instanceof Refused && error.endsSession) calls.current.sessionEnded();
        // What was there stays there: old and said to be old is better than nothing.
        setShown((old) => ({ asked, document: old.asked === asked ? old.document : null, error: error as Error }));
      } finally {
        if (mine === latest.current) setIsLoading(false);
      }
    },
    [path, asked],
  );

  useEffect(() => {
    void fetchIt(false);
    return () => void latest.current++;
  }, [fetchIt]);

  useEffect(
    () => watch((documents) => void ((documents === null || (changesWith !== null && documents.includes(changesWith))) && fetchIt(true))),
    // `watch` is another function at each render, and does the same.
    // eslint-disable-next-line
    [fetchIt, changesWith],
  );

  useEffect(() => {
    if (everyMilliseconds <= 0) return undefined;
    const timer = setInterval(() => void fetchIt(true), everyMilliseconds);
    return () => clearInterval(timer);
  }, [fetchIt, everyMilliseconds]);

  const document = shown.asked === asked ? shown.document : null;
  const error = shown.asked === asked ? shown.error : null;
  // The line itself says that nobody answers; a second notice at each list would say nothing more.
  const toTell = error instanceof Unreachable && document !== null ? null : error;
  return { document, error: toTell, isLoading, reload: () => void fetchIt(false) };
}

/** The time, renewed often enough for "12 min ago". */
export function useNow(everyMilliseconds = 10_000): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), everyMilliseconds);
    return () => clearInterval(timer);
  }, [everyMilliseconds]);
  return now;
}
