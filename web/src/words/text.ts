// Text that others wrote. It is always shown as text; what it hides or turns round is made visible.

/** Characters that change the direction or order of what stands around them, or that nobody sees. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc]/gu;

export interface Piece {
  readonly text: string;
  readonly isMark: boolean;
}

/** Cut a text into what can be read and marks that stand for characters nobody sees. */
export function pieces(text: string): Piece[] {
  const cut: Piece[] = [];
  let from = 0;
  for (const found of text.matchAll(UNSEEN)) {
    if (found.index > from) cut.push({ text: text.slice(from, found.index), isMark: false });
    const code = found[0].codePointAt(0) ?? 0;
    cut.push({ text: `U+${code.toString(16).toUpperCase().padStart(4, '0')}`, isMark: true });
    from = found.index + found[0].length;
  }
  if (from < text.length) cut.push({ text: text.slice(from), isMark: false });
  return cut;
}

/** How many combining marks may stand on one letter: names have two or three, an attack has hundreds. */
const COMBINING = /(\p{M}{4})\p{M}+/gu;

export function calmed(text: string): string {
  return text.replace(COMBINING, '$1');
}

export function shortened(text: string, charactersMax: number): string {
  const characters = Array.from(text);
  return characters.length <= charactersMax ? text : `${characters.slice(0, charactersMax - 1).join('')}…`;
}
