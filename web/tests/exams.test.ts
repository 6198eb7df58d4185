import { describe, expect, it } from 'vitest';
import type { Exam, ScheduledStep, Step, Wait } from '../src/api/documents';
import { byStation, byUrgency, EVERY_STATION, openCalls, readsOf, workLines } from '../src/words/exams';

const exam = (accession: string, told: Partial<Exam> = {}): Exam => ({
  way: 'walk-in', accession, study: '2.25.1', patient_id: 'P1', name: 'DOE^JANE', birth_date: '', sex: '', modality: 'CT', procedure: '', place: '',
  device: 'CT1', at: '2026-11-24T03:00:00Z', by: 'T', stage: 'acquired', waits_for: [], identified_as: null, steps: [], ...told,
});
const said = (step: string, told: Partial<Step> = {}): Step => ({ step, at: '2026-11-24T04:00:00Z', said_at: '', by: 'R', ...told });
const scheduled = (told: Record<string, unknown>, taken: string | null = null): ScheduledStep => ({
  state: 'scheduled', patient_id: 'P', patient: {}, attributes: told, exam: taken,
});

describe('reads and calls', () => {
  const steps = [
    said('read', { urgent: true, at: '2026-11-24T05:00:00Z' }),
    said('read', { urgent: true }),
    said('called', { read: 2, to: 'A', read_back: false }),
    said('read', { urgent: false }),
    said('called', { read: 1, to: 'B', read_back: true }),
  ];
  it('belong together by the number of the read', () => {
    expect(readsOf(exam('A', { steps })).map((read) => [read.number, read.calls.length, read.isOpen])).toEqual([
      [1, 1, false], [2, 1, true], [3, 0, false],
    ]);
  });
  it('that are urgent and not read back are to be called, the oldest first', () => {
    const newer = exam('B', { waits_for: ['call'], steps: [said('read', { urgent: true, at: '2026-11-24T06:00:00Z' })] });
    const calls = openCalls([newer, exam('A', { waits_for: ['call'], steps }), exam('C', { steps })]);
    expect(calls.map((call) => [call.exam.accession, call.read.number])).toEqual([['A', 2], ['B', 1]]);
  });
  it('come before everything else', () => {
    const waits = (accession: string, ...waits_for: Wait[]): Exam => exam(accession, { waits_for });
    const told = [waits('none'), waits('identity', 'identity'), waits('images', 'images'), waits('both', 'call', 'identity'), waits('read', 'read')];
    expect(byUrgency(told).map((one) => one.accession)).toEqual(['both', 'read', 'images', 'identity', 'none']);
  });
});

describe('the worklist', () => {
  it('has one line for a step and the exam that took it over', () => {
    const steps = [scheduled({ ScheduledStationAETitle: 'CT1' }, 'A1'), scheduled({ ScheduledStationAETitle: ['CT2', 'CT3'] })];
    const lines = workLines(steps, [exam('A1', { way: 'ordered', is_ordered_step: true }), exam('DT1', { device: '' })]);
    expect(lines.map((line) => [line.station, line.step !== null, line.exam?.accession])).toEqual([
      ['CT1', true, 'A1'], ['CT2 CT3', true, undefined], [EVERY_STATION, false, 'DT1'],
    ]);
  });
  it('is ordered by station, and what belongs to every station comes last', () => {
    const lines = workLines([scheduled({}), scheduled({ ScheduledStationName: 'MR1' })], [exam('DT1')]);
    expect(byStation(lines).map(([name]) => name)).toEqual(['CT1', 'MR1', EVERY_STATION]);
  });
});
