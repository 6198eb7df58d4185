// Small signs for states: always a word, never a colour alone.

import type { Exam, Phase, Stage, Wait } from '../api/documents';
import { WAITS_FOR } from '../words/reconciliation';

export const PHASE_WORDS: Readonly<Record<Phase, string>> = {
  normal: 'Normal',
  planned: 'Downtime planned',
  downtime: 'Downtime',
  recovery: 'Recovery',
  reconciliation: 'Reconciliation',
  'second-outage': 'Second outage',
  cancelled: 'Normal',
};

export const SCOPE_WORDS: Readonly<Record<string, string>> = {
  pacs: 'PACS',
  ris: 'RIS',
  'hl7-gateway': 'HL7 gateway',
  'network-island': 'Part of the network',
  'dictation-and-reports': 'Dictation and reports',
  viewers: 'Viewers',
  everything: 'Everything',
};

export const WAIT_WORDS: Readonly<Record<Wait, string>> = {
  images: 'images',
  read: 'read',
  call: 'call',
  identity: 'identity',
};

const STAGE_WORDS: Readonly<Record<Stage, string>> = {
  registered: 'Registered',
  arrived: 'Arrived',
  acquired: 'Acquired',
  read: 'Read',
  cancelled: 'Cancelled',
};

export function PhaseMark({ phase }: { phase: Phase }) {
  return <span className={`mark phase-${phase}`}>{PHASE_WORDS[phase] ?? phase}</span>;
}

export function StageMark({ stage }: { stage: Stage }) {
  return <span className={`mark stage-${stage}`}>{STAGE_WORDS[stage] ?? stage}</span>;
}

export function StateMark({ state }: { state: string }) {
  return <span className={`mark state-${state}`}>{state}</span>;
}

/** What a difference that an outage left waits for. */
export function WaitsForMark({ wait, before = '' }: { wait: string; before?: string }) {
  return (
    <span className={`mark reconcile-${wait}`}>
      {before}
      {WAITS_FOR[wait] ?? wait}
    </span>
  );
}

export function WaitMarks({ exam }: { exam: Exam }) {
  if (exam.waits_for.length === 0) return <span className="quiet-words">nothing open</span>;
  return (
    <span className="waits">
      {exam.waits_for.map((wait) => (
        <span key={wait} className={`mark wait-${wait}`}>
          {wait === 'call' ? 'urgent call' : WAIT_WORDS[wait] ?? wait}
        </span>
      ))}
    </span>
  );
}
