import { describe, expect, it } from 'vitest';
import { address, refusal } from '../src/api/call';
import { changedBy, pauseBefore } from '../src/api/line';
import { EventReader, type Told } from '../src/api/stream';

const STREAM = 'retry: 2000\r\n\r\nid: 7.1\nevent: changed\ndata: {"documents":\ndata: ["status"]}\n\n: still here\n\nevent: bye\ndata: {}\n\n';
const TOLD = [
  { event: 'changed', data: '{"documents":\n["status"]}', id: '7.1' },
  { event: 'bye', data: '{}', id: '7.1' },
];

describe('the event stream', () => {
  it('is the same wherever it is cut', () => {
    for (let cut = 0; cut <= STREAM.length; cut++) {
      const reader = new EventReader();
      const told: Told[] = [...reader.receive(STREAM.slice(0, cut)), ...reader.receive(STREAM.slice(cut))];
      expect(told).toEqual(TOLD);
    }
  });
  it('with a line that never ends is given up', () => {
    expect(() => new EventReader().receive('x'.repeat(1_000_001))).toThrow(RangeError);
  });
  it('names what changed, everything, or nothing', () => {
    expect(changedBy({ event: 'changed', data: '{"documents": ["status", 7]}', id: null })).toEqual(['status']);
    expect(changedBy({ event: 'hello', data: '{}', id: null })).toBeNull();
    expect(changedBy({ event: 'changed', data: 'broken', id: null })).toBeNull();
    expect(changedBy({ event: 'other', data: '{}', id: null })).toEqual([]);
  });
  it('is asked for again after longer and longer pauses, never at once and never after minutes', () => {
    for (let attempt = 0; attempt < 50; attempt++) {
      for (const chance of [0, 0.5, 0.999]) {
        expect(pauseBefore(attempt, chance)).toBeGreaterThanOrEqual(750);
        expect(pauseBefore(attempt, chance)).toBeLessThanOrEqual(12_500);
      }
    }
  });
});

describe('a request', () => {
  it('asks only for what is told', () => {
    expect(address('catalog/find', { name: 'D & J*', accession: '', offset: 0, open: false, state: ['a', 'b'] })).toBe(
      '/api/catalog/find?name=D+%26+J*&offset=0&state=a&state=b',
    );
  });
  it('that is refused says why, and what to do', () => {
    const told = refusal(409, { error: { code: 'downtime.no-downtime', reason: 'R', hint: 'H', facts: { a: 1 } } }, '7');
    expect(told).toMatchObject({ status: 409, code: 'downtime.no-downtime', message: 'R', hint: 'H', retryAfter: 7 });
    expect(refusal(500, null, null)).toMatchObject({ code: 'console.unknown', hint: '', retryAfter: null });
  });
});
