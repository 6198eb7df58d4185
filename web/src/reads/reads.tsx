// Preliminary reads with author and time, and the calls that tell them.

import { useEffect, useState } from 'react';
import type { Exam, Exams, Studies } from '../api/documents';
import { useDocument, useNow } from '../api/live';
import { ActButton } from '../parts/act';
import { StageMark, WaitMarks } from '../parts/marks';
import { Notice } from '../parts/notice';
import { Pager } from '../parts/pager';
import { PatientLine, Plain, WhoseExam } from '../parts/plain';
import { useWhyNot } from '../session';
import { byUrgency, lastMoment, readsOf, type Read } from '../words/exams';
import { span, when } from '../words/time';
import { CallDialog, ReadDialog } from './read_acts';

const PAGE_SIZE = 50;

export function Reads() {
  const [all, setAll] = useState(false);
  const [offset, setOffset] = useState(0);
  const [chosen, setChosen] = useState<string | null>(null);
  const shown = useDocument<Exams>('downtime/exam/list');
  const now = useNow();

  const readable = byUrgency((shown.document?.exams ?? []).filter((exam) => exam.stage === 'acquired' || exam.stage === 'read'));
  // Whom one is looking at stays, whatever else becomes urgent and when nothing of it is open any more: nobody reads for the wrong patient.
  const wanted = readable.filter((exam) => all || exam.waits_for.length > 0 || exam.accession === chosen);
  const exams = wanted.slice(offset, offset + PAGE_SIZE);
  const first = exams[0]?.accession ?? null;
  useEffect(() => setChosen((before) => before ?? first), [first]);
  const exam = readable.find((one) => one.accession === chosen) ?? null;
  return (
    <main className="page reads">
      <div className="page-head">
        <h1>Reads and calls</h1>
        <div className="acts">
          <button type="button" className="quiet" aria-pressed={all} onClick={() => { setAll(!all); setOffset(0); }}>
            {all ? 'Show what is open' : 'Show everything'}
          </button>
        </div>
      </div>
      <Notice error={shown.error} onRetry={shown.reload} />
      {shown.document && wanted.length === 0 && <p className="empty">No exam waits for a read or a call.</p>}
      <div className="two-panes">
        <div>
          <ul className="exam-list" aria-label="Exams">
            {exams.map((one) => (
              <li key={one.accession}>
                <button type="button" className="exam-choice" aria-current={one.accession === exam?.accession || undefined}
                  onClick={() => setChosen(one.accession)}>
                  <span className="exam-choice-top">
                    <span className="modality">{one.modality}</span> <WhoseExam exam={one} />
                  </span>
                  <span className="second">
                    <Plain text={one.procedure || one.accession} max={80} /> · {span(lastMoment(one), now)}
                  </span>
                  <WaitMarks exam={one} />
                </button>
              </li>
            ))}
          </ul>
          <Pager offset={offset} count={exams.length} size={PAGE_SIZE} isMore={offset + PAGE_SIZE < wanted.length} onGo={setOffset} />
        </div>
        {exam && <OneExam key={exam.accession} exam={exam} now={now} />}
      </div>
    </main>
  );
}

function OneExam({ exam, now }: { exam: Exam; now: Date }) {
  const [reads, setReads] = useState(false);
  const [tells, setTells] = useState<Read | null>(null);
  const known = readsOf(exam);
  return (
    <article className="one-exam" aria-label="Exam">
      <header>
        <h2>
          <WhoseExam exam={exam} />
        </h2>
        <PatientLine of={exam}>
          accession <Plain text={exam.accession} max={32} />
        </PatientLine>
        <p className="exam-what">
          <span className="modality">{exam.modality}</span> <Plain text={exam.procedure} max={300} /> <StageMark stage={exam.stage} />
        </p>
        <p>
          Call back: <Plain text={exam.place || 'not told'} max={300} />
        </p>
        <div className="acts">
          <OpenImages exam={exam} />
          <ActButton right="examine" className="primary" onPress={() => setReads(true)}>
            Write a read
          </ActButton>
        </div>
      </header>
      {known.length === 0 && <p className="empty">Nobody has read it yet.</p>}
      {[...known].reverse().map((read) => (
        <section key={read.number} className={`read ${read.isOpen ? 'is-open' : ''}`} aria-label={`Read ${read.number}`}>
          <h3>
            {read.step.urgent && <span className="mark wait-call">urgent</span>} Preliminary read {read.number}
            <span className="second">
              <Plain text={read.step.by} max={100} /> · {when(read.step.at, now)}
            </span>
          </h3>
          <p className="read-text">
            <Plain text={read.step.text ?? ''} max={100_000} />
          </p>
          <ul className="told-to">
            {read.calls.map((call, place) => (
              <li key={place}>
                {when(call.at, now)}: told <Plain text={call.to ?? ''} max={200} /> by <Plain text={call.by} max={100} />,{' '}
                {call.read_back ? <strong>read back</strong> : <em>not read back</em>}
              </li>
            ))}
          </ul>
          <ActButton right="examine" small className={read.isOpen ? 'danger' : 'quiet'} onPress={() => setTells(read)}>
            {read.isOpen ? 'Note the call' : 'Note a call'}
          </ActButton>
        </section>
      ))}
      {reads && <ReadDialog exam={exam} onClose={() => setReads(false)} />}
      {tells && <CallDialog exam={exam} read={tells} onClose={() => setTells(null)} />}
    </article>
  );
}

/** The images of an exam, by its study or, where the device made its own study, by its accession number. */
function OpenImages({ exam }: { exam: Exam }) {
  const why = useWhyNot('find');
  const found = useDocument<Studies>(why ? null : 'catalog/find', { accession: exam.accession, limit: 1 });
  const viewer = found.document?.studies[0]?.viewer;
  if (why) return null;
  if (viewer?.startsWith('/viewer/')) {
    return (
      <a className="button" href={viewer} target="_blank" rel="noopener">
        Open images
      </a>
    );
  }
  return <span className="quiet-words">{found.document ? 'No images here yet' : ''}</span>;
}
