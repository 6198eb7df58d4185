// Today's worklist: what was scheduled before, and what is done by hand meanwhile, station by station.

import { useMemo, useState } from 'react';
import type { Worklist as WorklistDocument } from '../api/documents';
import { useDocument } from '../api/live';
import { ActButton } from '../parts/act';
import { StageMark, StateMark, WaitMarks } from '../parts/marks';
import { Notice } from '../parts/notice';
import { Pager } from '../parts/pager';
import { PersonName, Plain, WhoseExam } from '../parts/plain';
import { attribute, byStation, workLines, type WorkLine } from '../words/exams';
import { clock, day, dicomDate, dicomDay, dicomTime } from '../words/time';
import { ExamActs } from './exam_acts';
import { LabelsDialog } from './labels';
import { fromStep, RegisterDialog, type Registration, UNKNOWN } from './register';

const PAGE_SIZE = 100;

export function Worklist() {
  const [date, setDate] = useState(() => day(new Date()));
  const [station, setStation] = useState('');
  const [offset, setOffset] = useState(0);
  const [registers, setRegisters] = useState<Registration | null>(null);
  const [prints, setPrints] = useState(false);
  const [told, setTold] = useState('');
  const asked = dicomDay(date);
  const shown = useDocument<WorklistDocument>('catalog/worklist', { date_from: asked, date_to: asked, limit: PAGE_SIZE, offset });

  const lines = useMemo(() => (shown.document ? workLines(shown.document.steps, shown.document.exams) : []), [shown.document]);
  const stations = useMemo(() => byStation(lines).map(([name]) => name), [lines]);
  const groups = byStation(station ? lines.filter((line) => line.station === station) : lines);

  return (
    <main className="page worklist">
      <div className="page-head">
        <h1>Worklist</h1>
        <div className="acts no-print">
          <ActButton right="prepare" className="quiet" onPress={() => setPrints(true)}>
            Labels
          </ActButton>
          <button type="button" className="quiet" onClick={() => window.print()}>
            Print
          </button>
          <ActButton right="examine" className="primary" onPress={() => setRegisters(UNKNOWN)}>
            Register an exam
          </ActButton>
        </div>
      </div>
      <div className="search no-print">
        <label className="field">
          <span>Day</span>
          <input type="date" value={date} required onChange={(event) => { setDate(event.target.value || day(new Date())); setOffset(0); }} />
        </label>
        <label className="field">
          <span>Station</span>
          <select value={station} onChange={(event) => setStation(event.target.value)}>
            <option value="">All stations</option>
            {stations.map((name) => (
              <option key={name} value={name}>
                {name.slice(0, 60)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p className="print-only">{date}</p>
      <Notice error={shown.error} onRetry={shown.reload} />
      <p className="told" role="status">
        {told && <Plain text={told} />}
      </p>
      {shown.document && lines.length === 0 && <p className="empty">Nothing is scheduled for this day, and nothing is registered by hand.</p>}
      {groups.map(([name, group]) => (
        <Station key={name} name={name} lines={group} onTakeOver={setRegisters} onTold={setTold} />
      ))}
      {shown.document && (
        <Pager offset={shown.document.offset} count={shown.document.steps.length} size={PAGE_SIZE} isMore={shown.document.is_more} onGo={setOffset} />
      )}
      {registers && (
        <RegisterDialog start={registers} onClose={() => setRegisters(null)}
          onDone={(exam) => {
            setRegisters(null);
            setTold(`Registered: accession number ${exam.accession}, patient ID ${exam.patient_id}.`);
          }} />
      )}
      {prints && <LabelsDialog onClose={() => setPrints(false)} />}
    </main>
  );
}

function Station({ name, lines, onTakeOver, onTold }: {
  name: string;
  lines: readonly WorkLine[];
  onTakeOver: (registration: Registration) => void;
  onTold: (text: string) => void;
}) {
  return (
    <section className="station">
      <h2>
        <Plain text={name} max={64} /> <span className="count">{lines.length}</span>
      </h2>
      <table className="rows">
        <thead>
          <tr>
            <th scope="col">Start</th>
            <th scope="col">Patient</th>
            <th scope="col">Exam</th>
            <th scope="col">Accession</th>
            <th scope="col">State</th>
            <th scope="col">
              <span className="for-readers">Acts</span>
              <span className="print-only">Notes</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <Line key={line.key} line={line} onTakeOver={onTakeOver} onTold={onTold} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Line({ line, onTakeOver, onTold }: {
  line: WorkLine;
  onTakeOver: (registration: Registration) => void;
  onTold: (text: string) => void;
}) {
  const { step, exam } = line;
  const name = exam?.name || step?.patient['PatientName'] || '';
  const birth = exam?.birth_date || step?.patient['PatientBirthDate'] || '';
  const sex = exam?.sex || step?.patient['PatientSex'] || '';
  const modality = exam?.modality || (step ? attribute(step, 'Modality') : '');
  const procedure =
    exam?.procedure || (step ? attribute(step, 'ScheduledProcedureStepDescription') || attribute(step, 'RequestedProcedureDescription') : '');
  const accession = exam?.accession ?? (step ? attribute(step, 'AccessionNumber') : '');
  return (
    <tr className={exam?.stage === 'cancelled' ? 'is-cancelled' : undefined}>
      <td className="when">{step ? dicomTime(attribute(step, 'ScheduledProcedureStepStartTime')) : exam ? clock(new Date(exam.at)) : ''}</td>
      <td className="who">
        {exam?.way === 'unidentified' ? <WhoseExam exam={exam} /> : <PersonName value={name} />}
        <span className="second">
          <Plain text={exam?.patient_id ?? step?.patient_id ?? ''} max={64} />
          {exam?.identified_as && (
            <>
              {' '}
              is <Plain text={exam.identified_as} max={64} />
            </>
          )}
          {birth && <> · <span className="unbroken">born {dicomDate(birth)}</span></>} {sex && `· ${sex.slice(0, 1)}`}
        </span>
      </td>
      <td className="what">
        <span className="modality">
          <Plain text={modality} max={16} />
        </span>{' '}
        <Plain text={procedure} max={120} />
        {exam?.place && (
          <span className="second">
            from <Plain text={exam.place} max={80} />
          </span>
        )}
      </td>
      <td>
        <Plain text={accession} max={64} />
        {exam && <span className="second">{exam.way === 'ordered' ? 'by hand, ordered' : exam.way}</span>}
      </td>
      <td>
        <span className="waits">
          {exam ? <StageMark stage={exam.stage} /> : <StateMark state={step?.state ?? ''} />}
          {exam && exam.waits_for.length > 0 && <WaitMarks exam={exam} />}
        </span>
      </td>
      <td className="acts">
        <span className="no-print">
        {exam ? (
          <ExamActs exam={exam} onTold={onTold} />
        ) : (
          step && (
            <ActButton right="examine" small className="quiet" onPress={() => onTakeOver(fromStep(step))}>
              Take over
            </ActButton>
          )
        )}
        </span>
      </td>
    </tr>
  );
}
