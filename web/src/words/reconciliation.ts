// What an outage left to be reconciled, in the order in which people work on it, and in their words. Pure.

import type { Decision, Difference, OtherDifference, Proposal, ReconciledExam } from '../api/documents';
import { dicomDate, dicomTime } from './time';

/** One line of the list: an exam with all that is open of it, or a difference that belongs to no exam. */
export type Item =
  | { readonly key: string; readonly exam: ReconciledExam; readonly other: null }
  | { readonly key: string; readonly exam: null; readonly other: OtherDifference };

/** Who waits longest behind what: what a person must choose comes before what only has to be sent. */
const WAITS = ['decision', 'identity', 'order', 'images', 'mending', 'setting', 'sending', 'forwarding', 'delivery', 'look'];

export const WAITS_FOR: Readonly<Record<string, string>> = {
  decision: 'your decision',
  identity: 'who the patient is',
  order: 'an order',
  images: 'images',
  mending: 'mending elsewhere',
  setting: 'a setting',
  sending: 'being sent',
  forwarding: 'being told',
  delivery: 'delivery',
  look: 'a new comparison',
};

const KINDS: Readonly<Record<string, string>> = {
  'study-without-order': 'No order is known that it fulfils',
  'order-without-study': 'Nothing was done that fulfils it',
  'identity-differs': 'Another system has it under another patient or number',
  'missing-at-target': 'The PACS lacks images of it',
  'unknown-to-vault': 'The PACS has a study that is not here',
  'same-uid-other-bytes': 'Images of one number have several contents',
  'step-not-forwarded': 'What the modality said of its work was not passed on',
  'report-not-delivered': 'The preliminary read has not reached the report system',
};

export function kindWords(difference: Difference): string {
  // An exam that was registered is done or not; what lacks then is its images.
  if (difference.kind === 'order-without-study' && difference.exam) return 'There are no images of it';
  return KINDS[difference.kind] ?? difference.kind;
}

export const VERDICTS: Readonly<Record<string, string>> = {
  matched: 'Matched to an order',
  'no-order': 'No order will come',
  'not-done': 'Was not done',
  left: 'Left as it is',
  replaced: 'Images replaced at the PACS',
  'replaced-for-safety': 'Images replaced at the PACS, for safety',
  ours: 'What is here counts, at the PACS too',
  theirs: 'What the PACS has counts, here too',
};

export type FreeVerdict = 'no-order' | 'not-done' | 'left' | 'replaced' | 'replaced-for-safety' | 'ours' | 'theirs';

/** What may be decided of a difference without naming an order; the first is offered first. */
export function verdictsFor(difference: Difference): readonly FreeVerdict[] {
  if (difference.kind === 'study-without-order') return ['no-order', 'left'];
  if (difference.kind === 'order-without-study' && difference.order) return ['not-done', 'left'];
  if (difference.kind === 'identity-differs' && difference.study) return ['replaced', 'replaced-for-safety', 'left'];
  if (difference.kind === 'same-uid-other-bytes') return ['ours', 'theirs', 'left'];
  return ['left'];
}

/** What was done comes before what was not: who matches it settles both. */
const LAST = '9999';

export function openItems(exams: readonly ReconciledExam[], others: readonly OtherDifference[]): Item[] {
  const items: Item[] = [
    ...exams.filter((exam) => exam.differences.length > 0).map(ofExam),
    ...others.map((other): Item => ({ key: other.id, exam: null, other })),
  ];
  return items.sort((one, another) => rank(one) - rank(another) || (one.exam?.at ?? LAST).localeCompare(another.exam?.at ?? LAST));
}

export function settledItems(exams: readonly ReconciledExam[]): Item[] {
  return exams.filter((exam) => exam.differences.length === 0).map(ofExam);
}

function ofExam(exam: ReconciledExam): Item {
  return { key: exam.exam, exam, other: null };
}

export function waitsOf(differences: readonly Difference[]): string[] {
  return [...new Set(differences.map((one) => one.waits_for))].sort((one, other) => WAITS.indexOf(one) - WAITS.indexOf(other));
}

function rank(item: Item): number {
  const [first = ''] = waitsOf(item.exam ? item.exam.differences : [item.other]);
  return WAITS.indexOf(first);
}

/** How well an order fits, as somebody would say it who had compared them. */
export function fit(proposal: Proposal): string {
  if (proposal.certain) return 'Fits: nothing contradicts';
  if (proposal.against.length > 0) return 'Fits in part: something contradicts';
  return `May fit: ${proposal.but}`;
}

export function decider(decision: Decision): string {
  return decision.by === 'rule' ? 'Decided by rule' : decision.by;
}

/** One sentence about a decision: what, whose, by whom. */
export function decided(decision: Decision): string {
  const words = VERDICTS[decision.verdict] ?? decision.verdict;
  const accession = decision.verdict === 'matched' ? decision.identity?.accession : '';
  return accession ? `Matched to order ${accession}` : words;
}

/** A date and time as a modality wrote it, or an instant; to the minute, as clocks on the wall showed it. */
export function started(text: string): string {
  if (!/^\d{8}/.test(text) || text.includes('-')) return text;
  return [dicomDate(text.slice(0, 8)), dicomTime(text.slice(8))].join(' ').trim();
}
