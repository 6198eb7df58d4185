// Writing a read down, and noting who was told.

import { useState } from 'react';
import type { Exam } from '../api/documents';
import { ActDialog } from '../parts/act';
import { Field, LongText, Tick } from '../parts/field';
import { Plain, WhoseExam } from '../parts/plain';
import type { Read } from '../words/exams';
import { instant } from '../words/time';

const READ_CHARACTERS_MAX = 100_000;

// What is half written survives that its dialog is closed; it is forgotten with the page.
const drafts = new Map<string, string>();

function Whose({ exam }: { exam: Exam }) {
  return (
    <div className="wide whose">
      <WhoseExam exam={exam} />
      <span className="second">
        <Plain text={exam.accession} max={32} /> · {exam.modality} <Plain text={exam.procedure} max={120} />
      </span>
    </div>
  );
}

export function ReadDialog({ exam, onClose }: { exam: Exam; onClose: () => void }) {
  const [text, setText] = useState(drafts.get(exam.accession) ?? '');
  const [urgent, setUrgent] = useState(false);
  const [at, setAt] = useState('');
  const write = (value: string): void => {
    drafts.set(exam.accession, value);
    setText(value);
  };
  return (
    <ActDialog
      title="Preliminary read"
      path="downtime/exam/read"
      body={() => ({ accession: exam.accession, text, urgent, at: instant(at) })}
      submit={urgent ? 'Record as urgent' : 'Record'}
      onDone={() => {
        drafts.delete(exam.accession);
        onClose();
      }}
      onClose={onClose}
    >
      <Whose exam={exam} />
      <LongText label="What you see" value={text} onChange={write} rows={8} required wide autoFocus maxLength={READ_CHARACTERS_MAX} />
      <div className="field wide">
        <Tick label={<><strong>Urgent:</strong> somebody must be told, and read it back</>} checked={urgent} onChange={setUrgent} />
      </div>
      <Field label="When" type="datetime-local" value={at} onChange={setAt} wide help="If it stood on paper first. Empty: now." />
    </ActDialog>
  );
}

export function CallDialog({ exam, read, onClose }: { exam: Exam; read: Read; onClose: () => void }) {
  const [to, setTo] = useState('');
  const [readBack, setReadBack] = useState(false);
  const [at, setAt] = useState('');
  return (
    <ActDialog
      title={`Who was told of read ${read.number}`}
      path="downtime/exam/called"
      body={() => ({ accession: exam.accession, to, read: read.number, read_back: readBack, at: instant(at) })}
      submit="Record the call"
      onDone={onClose}
      onClose={onClose}
    >
      <Whose exam={exam} />
      <p className="wide read-text short">
        <Plain text={read.step.text ?? ''} max={600} />
      </p>
      <Field label="Told to" value={to} onChange={setTo} required wide autoFocus maxLength={1000} help="Name, and ward or telephone." />
      <div className="field wide">
        <Tick label={<><strong>Read back:</strong> they said it back, and it was right</>} checked={readBack} onChange={setReadBack} />
        {!readBack && read.step.urgent && <p className="help">Without read-back an urgent result stays open.</p>}
      </div>
      <Field label="When" type="datetime-local" value={at} onChange={setAt} wide help="Empty: now." />
    </ActDialog>
  );
}
