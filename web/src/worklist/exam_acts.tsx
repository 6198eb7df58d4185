// What can be said of an exam at the stage where it is.

import { useState } from 'react';
import type { Exam, Stage } from '../api/documents';
import { ActButton, ActDialog } from '../parts/act';
import { Field } from '../parts/field';
import { Plain, WhoseExam } from '../parts/plain';
import { go } from '../route';
import { instant } from '../words/time';

type Verb = 'arrived' | 'acquired' | 'identify' | 'cancel';

const WORDS: Readonly<Record<Verb, string>> = { arrived: 'Arrived', acquired: 'Acquired', identify: 'Identify', cancel: 'Cancel exam' };
const DONE: Readonly<Record<Verb, string>> = { arrived: 'has arrived', acquired: 'is acquired', identify: 'is identified', cancel: 'is cancelled' };

const MAY: Readonly<Record<Stage, readonly Verb[]>> = {
  registered: ['arrived', 'acquired', 'cancel'],
  arrived: ['acquired', 'cancel'],
  acquired: [],
  read: [],
  cancelled: [],
};

export function ExamActs({ exam, onTold }: { exam: Exam; onTold: (text: string) => void }) {
  const [verb, setVerb] = useState<Verb | null>(null);
  const verbs: Verb[] = [...MAY[exam.stage]];
  if (exam.waits_for.includes('identity')) verbs.splice(verbs.indexOf('cancel') < 0 ? verbs.length : verbs.indexOf('cancel'), 0, 'identify');
  return (
    <span className="act-row">
      {verbs.map((one) => (
        <ActButton key={one} right="examine" small className={one === verbs[0] && one !== 'cancel' ? '' : 'quiet'} onPress={() => setVerb(one)}>
          {WORDS[one]}
        </ActButton>
      ))}
      {(exam.stage === 'acquired' || exam.stage === 'read') && (
        <button type="button" className="quiet small" onClick={() => go('/reads')}>
          {exam.stage === 'acquired' ? 'Read' : 'Reads'}
        </button>
      )}
      {verb && (
        <StepDialog exam={exam} verb={verb} onClose={() => setVerb(null)}
          onDone={() => {
            setVerb(null);
            onTold(`${exam.accession} ${DONE[verb]}.`);
          }} />
      )}
    </span>
  );
}

function StepDialog({ exam, verb, onDone, onClose }: { exam: Exam; verb: Verb; onDone: () => void; onClose: () => void }) {
  const [at, setAt] = useState('');
  const [patientId, setPatientId] = useState('');
  const needsReason = verb === 'cancel' || verb === 'identify';
  const body = (): Record<string, unknown> => ({
    accession: exam.accession,
    at: instant(at),
    ...(verb === 'identify' ? { patient_id: patientId } : {}),
  });
  return (
    <ActDialog title={WORDS[verb]} path={`downtime/exam/${verb}`} body={body} submit={verb === 'cancel' ? 'Cancel this exam' : WORDS[verb]}
      danger={verb === 'cancel'} needsReason={needsReason} onDone={onDone} onClose={onClose}>
      <div className="wide whose">
        <WhoseExam exam={exam} />
        <span className="second">
          <Plain text={exam.patient_id} max={64} /> · <Plain text={exam.accession} max={32} /> · {exam.modality} <Plain text={exam.procedure} max={120} />
        </span>
      </div>
      {verb === 'identify' && (
        <Field label="The hospital's patient ID" value={patientId} onChange={setPatientId} required wide maxLength={64}
          help="The exam keeps its own numbers until it is reconciled." />
      )}
      <Field label="When" type="datetime-local" value={at} onChange={setAt} wide help="Empty: now." />
    </ActDialog>
  );
}
