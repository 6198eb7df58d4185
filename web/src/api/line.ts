// The line to `serve`: it says which documents changed, and whether anybody is there at all.

import { refusal } from './call';
import { EventReader, type Told } from './stream';

export type LineState = 'connecting' | 'live' | 'lost' | 'session-ended';

export interface LineListener {
  /** `null`: everything may have changed. */
  changed(documents: readonly string[] | null): void;
  state(state: LineState): void;
}

export const SILENCE_MILLISECONDS = 40_000;
const FIRST_PAUSE_MILLISECONDS = 1_000;
const PAUSE_MILLISECONDS_MAX = 10_000;

/** How long to wait before the next attempt; a hundred screens do not come back in the same moment. */
export function pauseBefore(attempt: number, chance: number): number {
  return Math.min(PAUSE_MILLISECONDS_MAX, FIRST_PAUSE_MILLISECONDS * 1.6 ** attempt) * (0.75 + chance / 2);
}

/** What an event tells to fetch again: names, `null` for everything, or nothing at all. */
export function changedBy(told: Told): readonly string[] | null {
  if (told.event === 'hello') return null;
  try {
    const documents = (JSON.parse(told.data) as { documents?: unknown }).documents;
    return Array.isArray(documents) ? documents.filter((one) => typeof one === 'string') : [];
  } catch {
    return null;
  }
}

export class Line {
  private stopped = new AbortController();
  private lastId: string | null = null;
  private attempt = 0;
  private wake: (() => void) | null = null;

  constructor(private readonly listener: LineListener) {}

  start(): void {
    this.stopped = new AbortController();
    window.addEventListener('online', this.hurry);
    document.addEventListener('visibilitychange', this.hurry);
    void this.run(this.stopped.signal);
  }

  stop(): void {
    this.stopped.abort();
    window.removeEventListener('online', this.hurry);
    document.removeEventListener('visibilitychange', this.hurry);
    this.hurry();
  }

  /** Try again now: the network came back, or somebody looks. */
  readonly hurry = (): void => this.wake?.();

  private async run(stopped: AbortSignal): Promise<void> {
    this.listener.state('connecting');
    while (!stopped.aborted) {
      const ended = await this.listen(stopped).catch(() => false);
      if (stopped.aborted) return;
      if (ended) {
        this.listener.state('session-ended');
        return;
      }
      this.listener.state('lost');
      await this.pause(pauseBefore(this.attempt++, Math.random()));
    }
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).then(() => void (this.wake = null));
  }

  /** Listen until the line breaks; true when the session ended. */
  private async listen(stopped: AbortSignal): Promise<boolean> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MILLISECONDS);
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream', 'Safelight-Automatic': '1' };
      if (this.lastId !== null) headers['Last-Event-ID'] = this.lastId;
      const signal = AbortSignal.any([stopped, silence.signal]);
      const response = await fetch('/api/events', { headers, cache: 'no-store', signal });
      if (!response.ok || response.body === null) {
        const told: unknown = await response.json().catch(() => null);
        return refusal(response.status, told, null).endsSession;
      }
      const reader = new EventReader();
      const decoder = new TextDecoder();
      const body = response.body.getReader();
      for (;;) {
        const { done, value } = await body.read();
        if (done) return false;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MILLISECONDS);
        this.attempt = 0;
        this.listener.state('live');
        for (const told of reader.receive(decoder.decode(value, { stream: true }))) {
          if (told.event === 'bye') return told.data.includes('session-ended');
          if (told.id !== null) this.lastId = told.id;
          this.listener.changed(changedBy(told));
        }
      }
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }
}
