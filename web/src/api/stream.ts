// Server-sent events: text in, events out. Our own reading, since a browser's EventSource hides the comments that say "still here".

export interface Told {
  readonly event: string;
  readonly data: string;
  readonly id: string | null;
}

const PENDING_CHARACTERS_MAX = 1_000_000;

/** Source: WHATWG HTML, 9.2.6 Interpreting an event stream. */
export class EventReader {
  private pending = '';
  private event = '';
  private data: string[] = [];
  private id: string | null = null;

  receive(text: string): Told[] {
    const told: Told[] = [];
    this.pending += text;
    if (this.pending.length > PENDING_CHARACTERS_MAX) throw new RangeError('a line of the stream never ends');
    const lines = this.pending.split(/\r\n|\n|\r(?!$)/);
    this.pending = lines.pop() ?? '';
    for (const line of lines) this.take(line, told);
    return told;
  }

  private take(line: string, told: Told[]): void {
    if (line === '') {
      if (this.data.length > 0) told.push({ event: this.event || 'message', data: this.data.join('\n'), id: this.id });
      this.event = '';
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.event = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id') this.id = value;
  }
}
