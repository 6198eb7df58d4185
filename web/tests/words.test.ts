import { describe, expect, it } from 'vitest';
import { initials, person, typed } from '../src/words/person';
import { calmed, pieces, shortened } from '../src/words/text';
import { dicomDate, instant, isDicomDay, span, when } from '../src/words/time';

const seen = (text: string): string => pieces(text).map((piece) => (piece.isMark ? `[${piece.text}]` : piece.text)).join('');

describe('texts of others', () => {
  it('keep markup as text', () => expect(seen('<b>"&amp;')).toBe('<b>"&amp;'));
  it('show what turns text round or is not seen', () => expect(seen('a\u202eb\u200bc\u0000')).toBe('a[U+202E]b[U+200B]c[U+0000]'));
  it('leave joiners of scripts that need them', () => expect(seen('\u0645\u200c\u0646')).toBe('\u0645\u200c\u0646'));
  it('lose the towers of marks that leave their line', () => expect(Array.from(calmed(`e${'\u0301'.repeat(300)}`))).toHaveLength(5));
  it('are cut between characters, not within', () => expect(shortened('\u{1f9d1}'.repeat(9), 4)).toBe(`${'\u{1f9d1}'.repeat(3)}…`));
});

describe('days', () => {
  it.each(['20240229', '19700102'])('%s is one', (text) => expect(isDicomDay(text)).toBe(true));
  it.each(['', '1970', '19700000', '19700230', '20991399', '1970-01-02'])('%s is none', (text) => expect(isDicomDay(text)).toBe(false));
});

describe('names', () => {
  it.each([
    ['DOE^JANE', 'DOE, JANE', ''],
    ['DOE^JANE^MARY^DR^MD', 'DOE, DR JANE MARY MD', ''],
    ['Yamada^Tarou=山田^太郎=やまだ^たろう', 'Yamada, Tarou', '山田, 太郎 · やまだ, たろう'],
    ['=山田^太郎', '山田, 太郎', ''],
    ['^^^^', '', ''],
    ['', '', ''],
  ])('%s is %s', (value, name, also) => expect(person(value)).toEqual({ name, also }));
  it('are initials on a wall', () => expect(initials('"Doe^jane=山田')).toBe('D. J.'));
  it('are typed with a comma or a caret', () => {
    expect(typed('Doe, Jane Mary')).toBe('Doe^Jane^Mary');
    expect(typed('Doe^Jane')).toBe('Doe^Jane');
    expect(typed('Doe')).toBe('Doe');
  });
});

describe('times', () => {
  const now = new Date(2026, 10, 24, 12, 0);
  const at = (hour: number, minute: number, date = 24): string => new Date(2026, 10, date, hour, minute).toISOString();
  it('are short today and have a day otherwise', () => {
    expect(when(at(3, 10), now)).toBe('03:10');
    expect(when(at(3, 10, 23), now)).toBe('2026-11-23 03:10');
    expect(when('yesterday', now)).toBe('yesterday');
  });
  it('say how long something lasts', () => {
    expect(span(at(12, 0), now)).toBe('just now');
    expect(span(at(11, 53), now)).toBe('7 min');
    expect(span(at(8, 55), now)).toBe('3 h 05 min');
    expect(span(at(8, 0, 22), now)).toBe('2 d 4 h');
  });
  it('of DICOM stay as they came when they are none', () => {
    expect(dicomDate('20261124')).toBe('2026-11-24');
    expect(dicomDate('2026')).toBe('2026');
  });
  it('of a field are the same instant with an offset', () => {
    expect(new Date(instant('2026-11-24T03:10') ?? '').getTime()).toBe(new Date(2026, 10, 24, 3, 10).getTime());
    expect(instant('2026-11-24T03:10')).toMatch(/^2026-11-24T03:10:00[+-]\d\d:\d\d$/);
    expect(instant('')).toBeUndefined();
  });
});
