import { describe, expect, it } from 'vitest';
import type { Difference, Finding, OtherDifference, Proposal, ReconciledExam } from '../src/api/documents';
import { byService, openFindings } from '../src/words/plan';
import { fit, kindWords, openItems, settledItems, started, VERDICTS, verdictsFor } from '../src/words/reconciliation';

const difference = (waits_for: string, more: Partial<Difference> = {}): Difference => ({
  id: waits_for, kind: 'study-without-order', subject: '', told: '', waits_for, exam: '', study: '', order: '', ...more,
});
const exam = (name: string, at: string, ...waits: string[]) =>
  ({ exam: name, at, differences: waits.map((one) => difference(one)) }) as unknown as ReconciledExam;

describe('what an outage left', () => {
  it('has decisions on top, what was done before what was not, and by time', () => {
    const other = { ...difference('decision', { id: 'order' }), ordered: null } as OtherDifference;
    const exams = [exam('sent', '1', 'sending'), exam('late', '3', 'images', 'decision'), exam('early', '2', 'decision'), exam('done', '0')];
    expect(openItems(exams, [other]).map((one) => one.key)).toEqual(['early', 'late', 'order', 'sent']);
    expect(settledItems(exams).map((one) => one.key)).toEqual(['done']);
  });

  it('says how well an order fits', () => {
    const proposal = (more: Partial<Proposal>) => ({ certain: false, but: 'not enough agrees', against: [], ...more }) as unknown as Proposal;
    expect(fit(proposal({ certain: true }))).toContain('nothing contradicts');
    expect(fit(proposal({ against: ['other sex'] }))).toContain('contradicts');
    expect(fit(proposal({}))).toBe('May fit: not enough agrees');
  });

  it('tells an exam without images from an order that nobody fulfilled', () => {
    const kind = 'order-without-study';
    expect(kindWords(difference('images', { kind, exam: 'DT1' }))).not.toBe(kindWords(difference('decision', { kind, order: 'A1' })));
    expect(kindWords(difference('x', { kind: 'a-new-one' }))).toBe('a-new-one');
  });

  it('offers of each difference what fits it, and has words for all of it', () => {
    const kinds = ['study-without-order', 'order-without-study', 'identity-differs', 'same-uid-other-bytes', 'missing-at-target'];
    const offered = kinds.map((kind) => verdictsFor(difference('decision', { kind, study: '1.2', order: 'A1' })));
    expect(offered.every((verdicts) => verdicts.includes('left'))).toBe(true);
    expect(new Set(['matched', ...offered.flat()])).toEqual(new Set(Object.keys(VERDICTS)));
    // A registered exam without images has no order that was not done; a PACS with another number need not have a study.
    expect(verdictsFor(difference('images', { kind: 'order-without-study', exam: 'DT1' }))).toEqual(['left']);
    expect(verdictsFor(difference('decision', { kind: 'identity-differs' }))).toEqual(['left']);
  });

  it('writes times as clocks on the wall showed them', () => {
    expect(started('20261124083000')).toBe('2026-11-24 08:30');
    expect(started('20261124')).toBe('2026-11-24');
    expect(started('nonsense')).toBe('nonsense');
  });
});

describe('a plan', () => {
  const finding = (rule: string, severity: string, state = 'open') => ({ rule, severity, state }) as unknown as Finding;

  it('has the gravest first, and what was accepted after everything that is open', () => {
    const given = [finding('R2', 'critical', 'accepted'), finding('R9', 'low'), finding('R3', 'critical'), finding('R1', 'critical')];
    expect(openFindings(given).map((one) => one.rule)).toEqual(['R1', 'R3', 'R9', 'R2']);
  });

  it('has the service with the gravest thing in its way first', () => {
    const services = [
      { service: 'a', first_blocking: null },
      { service: 'b', first_blocking: finding('R9', 'low') },
      { service: 'c', first_blocking: finding('R1', 'critical') },
    ];
    expect(byService(services).map((one) => one.service)).toEqual(['c', 'b', 'a']);
  });
});
