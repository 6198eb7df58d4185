// Names as DICOM and HL7 write them: FAMILY^GIVEN^MIDDLE^PREFIX^SUFFIX, up to three groups joined by "=".
// Source: PS3.5 6.2.1 Person Name.

export interface Person {
  /** How a Western reader writes it, or the only group there is. */
  readonly name: string;
  /** The ideographic and phonetic groups, where they say something else. */
  readonly also: string;
}

export const NOBODY = 'Unidentified';

export function person(value: string): Person {
  const groups = value.split('=').map(written).filter((group) => group !== '');
  const [name = '', ...others] = groups;
  return { name, also: others.filter((group) => group !== name).join(' · ') };
}

function written(group: string): string {
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = group.split('^').map((part) => part.trim());
  const first = [prefix, given, middle].filter(Boolean).join(' ');
  const named = [family, first].filter(Boolean).join(', ');
  return [named, suffix].filter(Boolean).join(' ');
}

/** For a screen on the wall: enough to find a person whom one knows, too little for who passes by. */
export function initials(value: string): string {
  const group = value.split('=')[0] ?? '';
  const letters = group.split('^').slice(0, 2).map((part) => Array.from(part.trim()).find((one) => /\p{L}/u.test(one)) ?? '');
  return letters.filter(Boolean).map((letter) => `${letter.toUpperCase()}.`).join(' ');
}

/** A name as somebody types it, as DICOM writes it: "Doe, Jane" and "Doe^Jane" alike. */
export function typed(value: string): string {
  const text = value.trim();
  if (text.includes('^') || !text.includes(',')) return text;
  const [family = '', ...rest] = text.split(',');
  return [family.trim(), ...rest.join(' ').trim().split(/\s+/)].filter(Boolean).join('^');
}
