// Exams in the order in which people must look at them, and what is told of their reads. Pure.

import type { Exam, ScheduledStep, Step } from '../api/documents';

export interface Read {
  readonly number: number;
  readonly step: Step;
  readonly calls: readonly Step[];
  /** Urgent, and nobody has read it back. */
  readonly isOpen: boolean;
}

export function readsOf(exam: Exam): Read[] {
  const calls = exam.steps.filter((step) => step.step === 'called');
  return exam.steps
    .filter((step) => step.step === 'read')
    .map((step, place) => {
      const mine = calls.filter((call) => call.read === place + 1);
      return { number: place + 1, step, calls: mine, isOpen: Boolean(step.urgent) && !mine.some((call) => call.read_back) };
    });
}

export interface OpenCall {
  readonly exam: Exam;
  readonly read: Read;
}

/** Urgent results that nobody has read back, the oldest first. */
export function openCalls(exams: readonly Exam[]): OpenCall[] {
  return exams
    .flatMap((exam) => (exam.waits_for.includes('call') ? readsOf(exam).filter((read) => read.isOpen).map((read) => ({ exam, read })) : []))
    .sort((one, other) => one.read.step.at.localeCompare(other.read.step.at));
}

const URGENCY = { call: 0, read: 1, images: 2, identity: 3 } as const;

/** What waits for a call first, then for a read, then for images; within each whoever has waited longest. */
export function byUrgency(exams: readonly Exam[]): Exam[] {
  const rank = (exam: Exam): number => Math.min(4, ...exam.waits_for.map((wait) => URGENCY[wait] ?? 4));
  return [...exams].sort((one, other) => rank(one) - rank(other) || one.at.localeCompare(other.at));
}

/** Since when an exam is as it is: its last step, or its registration. */
export function lastMoment(exam: Exam): string {
  return exam.steps.at(-1)?.at ?? exam.at;
}

/** One line of the worklist: a scheduled step, an exam, or the step that an exam took over. */
export interface WorkLine {
  readonly key: string;
  readonly station: string;
  readonly start: string;
  readonly step: ScheduledStep | null;
  readonly exam: Exam | null;
}

export const EVERY_STATION = 'Any station';

export function workLines(steps: readonly ScheduledStep[], exams: readonly Exam[]): WorkLine[] {
  const known = new Map(exams.map((exam) => [exam.accession, exam]));
  const shown = new Set<string>();
  const lines: WorkLine[] = steps.map((step, place) => {
    const exam = step.exam === null ? null : (known.get(step.exam) ?? null);
    if (exam) shown.add(exam.accession);
    const start = `${attribute(step, 'ScheduledProcedureStepStartDate')}${attribute(step, 'ScheduledProcedureStepStartTime')}`;
    return { key: `step ${place} ${attribute(step, 'ScheduledProcedureStepID')}`, station: stationOf(step), start, step, exam };
  });
  for (const exam of exams) {
    // A step on another page names it; there it has its line.
    if (shown.has(exam.accession) || (exam.is_ordered_step && exam.stage === 'registered')) continue;
    lines.push({ key: `exam ${exam.accession}`, station: exam.device || EVERY_STATION, start: '', step: null, exam });
  }
  return lines;
}

/** By station, in the order of their names; who belongs to every station comes last. */
export function byStation(lines: readonly WorkLine[]): [string, WorkLine[]][] {
  const groups = new Map<string, WorkLine[]>();
  for (const line of lines) groups.set(line.station, [...(groups.get(line.station) ?? []), line]);
  return [...groups].sort(([one], [other]) =>
    one === EVERY_STATION ? 1 : other === EVERY_STATION ? -1 : one.localeCompare(other),
  );
}

export function attribute(step: ScheduledStep, keyword: string): string {
  const value = step.attributes[keyword];
  return Array.isArray(value) ? value.map(String).join(' ') : value === undefined || value === null ? '' : String(value);
}

export function stationOf(step: ScheduledStep): string {
  return attribute(step, 'ScheduledStationAETitle') || attribute(step, 'ScheduledStationName') || EVERY_STATION;
}
