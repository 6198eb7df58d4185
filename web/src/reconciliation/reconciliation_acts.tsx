// What a supervisor decides: a match, another verdict, taking it back; and having it done.

import { useState } from 'react';
import type { Decision, Difference, Proposal, ReconciledExam } from '../api/documents';
import { ActDialog } from '../parts/act';
import { Field, Radios, Tick } from '../parts/field';
import { PersonName, Plain } from '../parts/plain';
import { decided, type FreeVerdict } from '../words/reconciliation';

const MINUTES = 60_000;
const ASKING_MILLISECONDS = 30 * MINUTES;

interface Common {
  readonly onDone: (words: string) => void;
  readonly onClose: () => void;
}

const VERDICT_CHOICES: Readonly<Record<FreeVerdict, readonly [string, string]>> = {
  'no-order': ['No order will come', 'It stands as it was registered or identified.'],
  'not-done': ['It was not done', 'Put off, done elsewhere, or the patient did not come.'],
  left: ['Leave it as it is', 'It is known, and nothing follows.'],
  replaced: ['Replace the images', 'The PACS gets corrected ones, and a note that rejects the old.'],
  'replaced-for-safety': ['Replace the images, for safety', 'The same, and nobody may see the old ones: they endanger a patient.'],
  ours: ['What is here counts', 'The PACS gets ours under new numbers, and a note that rejects its own.'],
  theirs: ['What the PACS has counts', 'It is taken in, and counts here too.'],
};

export function MatchDialog({ exam, proposal, onDone, onClose }: Common & { exam: ReconciledExam; proposal: Proposal | null }) {
  const [order, setOrder] = useState(proposal?.order ?? '');
  const [also, setAlso] = useState(false);
  const body = () => ({ exam: exam.exam, order: proposal ? String(proposal.key) : order, also });
  return (
    <ActDialog title="Match to an order" path="reconciliation/match" body={body} submit="Match" needsReason onDone={() => onDone(`Matched: ${exam.exam} fulfils order ${order}.`)}
      onClose={onClose}>
      <div className="whose wide">
        <p>
          Done: <PersonName value={exam.is_identified ? exam.name : ''} />
          <span className="second">
            <Plain text={exam.patient_id} max={64} /> · <Plain text={[exam.modalities.join('/'), exam.procedure].join(' ')} max={120} />
          </span>
        </p>
        {proposal && (
          <p>
            Ordered: <PersonName value={proposal.ordered.name} />
            <span className="second">
              <Plain text={proposal.ordered.patient_id} max={64} /> · <Plain text={[proposal.ordered.modalities.join('/'), proposal.ordered.procedure].join(' ')} max={120} />
            </span>
          </p>
        )}
        {proposal && proposal.against.length > 0 && <p className="speaks-against">Against it: {proposal.against.join(', ')}.</p>}
      </div>
      {!proposal && (
        <Field label="Order" value={order} onChange={setOrder} required wide maxLength={100} help="Its accession, placer or filler number." />
      )}
      <div className="wide">
        <Tick label="Another exam fulfils this order, and this one does too" checked={also} onChange={setAlso} />
      </div>
    </ActDialog>
  );
}

export function DecideDialog({ difference, verdicts, onDone, onClose }: Common & { difference: Difference; verdicts: readonly FreeVerdict[] }) {
  const [verdict, setVerdict] = useState<string>(verdicts[0] ?? 'left');
  const options = verdicts.map((one) => [one, ...VERDICT_CHOICES[one]] as const);
  const words = VERDICT_CHOICES[verdict as FreeVerdict][0];
  return (
    <ActDialog title="Decide" path="reconciliation/decide" body={() => ({ differences: [difference.id], as: verdict })} submit={words} needsReason
      danger={verdict.startsWith('replaced') || verdict === 'ours'} onDone={() => onDone(`Decided: ${words}.`)} onClose={onClose}>
      <p className="whose wide">
        <Plain text={difference.exam || difference.order || difference.study || difference.subject} max={80} />
        <span className="second">
          <Plain text={difference.told} max={300} />
        </span>
      </p>
      <Radios legend="What is decided" name="verdict" value={verdict} onChange={setVerdict} options={options} />
    </ActDialog>
  );
}

export function UndoDialog({ decision, onDone, onClose }: Common & { decision: Decision }) {
  return (
    <ActDialog title="Take a decision back" path="reconciliation/undo" body={() => ({ decision: decision.decision })} submit="Take back" danger needsReason
      onDone={() => onDone(`Decision ${decision.decision} is taken back.`)} onClose={onClose}>
      <p className="whose wide">
        {decision.decision}: {decided(decision)}, <Plain text={decision.subject} max={64} />
        <span className="second">What waits to be sent goes no more. What others were told already stays there, and is listed as open.</span>
      </p>
    </ActDialog>
  );
}

interface Compared {
  readonly open: number;
}

export function CompareDialog({ target: known, onDone, onClose }: Common & { target: string }) {
  const [target, setTarget] = useState('');
  return (
    <ActDialog title="Compare with the PACS" path="reconciliation/compare" body={() => (target ? { target } : {})} submit="Compare" milliseconds={ASKING_MILLISECONDS}
      onDone={(answer) => onDone(`Compared: ${(answer as Compared).open} open.`)} onClose={onClose}>
      <p className="wide">Asks the restored PACS what it has of the outage, and closes what is certain. Nothing is sent to it. This may take minutes.</p>
      <TargetField value={target} onChange={setTarget} known={known} />
    </ActDialog>
  );
}

interface Sent extends Compared {
  readonly done: readonly unknown[];
  readonly failed: readonly unknown[];
}

export function SendDialog({ target: known, onDone, onClose }: Common & { target: string }) {
  const [target, setTarget] = useState('');
  return (
    <ActDialog title="Do what was decided" path="reconciliation/send" body={() => (target ? { target } : {})} submit="Send" milliseconds={ASKING_MILLISECONDS}
      onDone={(answer) => onDone(sentWords(answer as Sent))} onClose={onClose}>
      <p className="wide">Messages go to the systems that must know, images are corrected where it was decided, and what the PACS lacks is sent. This may take minutes.</p>
      <TargetField value={target} onChange={setTarget} known={known} />
    </ActDialog>
  );
}

function sentWords(sent: Sent): string {
  const failed = sent.failed.length > 0 ? `, ${sent.failed.length} failed` : '';
  return `${sent.done.length} done${failed}; ${sent.open} open.`;
}

function TargetField({ value, onChange, known }: { value: string; onChange: (value: string) => void; known: string }) {
  return <Field label="Restored PACS" value={value} onChange={onChange} wide maxLength={200} placeholder={known} help="AET@HOST:PORT or a named peer. Empty: as in the settings." />;
}
