// The downtime board: what is away, what waits, and whom to call, to be read across a room.

import { useState } from 'react';
import type { Downtime, Exam, Exams, Phase, Status } from '../api/documents';
import { useDocument, useLive, useNow } from '../api/live';
import { ActButton } from '../parts/act';
import { PHASE_WORDS, SCOPE_WORDS, StageMark, WaitMarks } from '../parts/marks';
import { Notice } from '../parts/notice';
import { Plain, WhoseExam } from '../parts/plain';
import { useSession } from '../session';
import { byUrgency, lastMoment, openCalls } from '../words/exams';
import { clock, span, when } from '../words/time';
import { DeclareDialog, ScopeActs } from './declare';

const ROWS_MAX = 40;
const CALLS_MAX = 6;
const STATUS_MILLISECONDS = 60_000;

export function Board() {
  const { me } = useSession();
  const downtime = useDocument<Downtime>('downtime/status', {}, STATUS_MILLISECONDS);
  const exams = useDocument<Exams>('downtime/exam/list', { open: true });
  const status = useDocument<Status>('status', {}, STATUS_MILLISECONDS);
  // A wall is seen by who passes by.
  const [hidesNames, setHidesNames] = useState(me.board);
  const [declares, setDeclares] = useState(false);
  const now = useNow();
  const { state } = useLive();
  return (
    <main className={`page board ${state === 'lost' ? 'is-old' : ''}`}>
      <h1 className="for-readers">Downtime board</h1>
      <Notice error={downtime.error} onRetry={downtime.reload} />
      {downtime.document && <Headline downtime={downtime.document} now={now} />}
      <Notice error={exams.error} onRetry={exams.reload} />
      {exams.document && <Counters exams={exams.document} />}
      {exams.document && <Calls exams={exams.document.exams} now={now} hidesNames={hidesNames} />}
      {exams.document && <OpenExams exams={exams.document} now={now} hidesNames={hidesNames} />}
      <div className="board-foot">
        <p className="quiet-words">
          {status.document && <ExposureWords status={status.document} />}
        </p>
        <div className="no-print acts">
          <button type="button" className="quiet small" aria-pressed={hidesNames} onClick={() => setHidesNames(!hidesNames)}>
            {hidesNames ? 'Show names' : 'Hide names'}
          </button>
          <button type="button" className="quiet small" onClick={() => window.print()}>
            Print
          </button>
          <ActButton right="declare" small className="danger" onPress={() => setDeclares(true)}>
            Declare a downtime
          </ActButton>
        </div>
      </div>
      {declares && <DeclareDialog onClose={() => setDeclares(false)} />}
    </main>
  );
}

const ATTENTION: readonly Phase[] = ['downtime', 'second-outage', 'recovery', 'reconciliation', 'planned'];

function Headline({ downtime, now }: { downtime: Downtime; now: Date }) {
  const told = downtime.scopes.filter((scope) => ATTENTION.includes(scope.phase));
  return (
    <section className={`headline phase-${downtime.phase}`} aria-label="Phase">
      <p className="headline-phase">{PHASE_WORDS[downtime.phase] ?? downtime.phase}</p>
      {told.length === 0 && <p className="headline-calm">Every system is in service.</p>}
      <ul className="scopes">
        {told.map((scope) => (
          <li key={scope.scope}>
            <span className="scope-name">{SCOPE_WORDS[scope.scope] ?? scope.scope}</span>{' '}
            <span className="scope-phase">
              {scope.phase === 'planned' ? 'planned for' : scope.in_service ? 'back' : scope.phase === 'recovery' ? 'coming back' : 'away'}
            </span>{' '}
            {scope.since && (
              <span className="scope-since">
                {scope.phase === 'planned' ? when(scope.since, now) : `since ${when(scope.since, now)} (${span(scope.since, now)})`}
              </span>
            )}
            {scope.reason && (
              <span className="scope-reason">
                <Plain text={scope.reason} max={160} /> · <Plain text={scope.by ?? ''} max={60} />
              </span>
            )}
            <ScopeActs scope={scope} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Counters({ exams }: { exams: Exams }) {
  const waiting = exams.waiting_for;
  const tiles = [
    ['call', waiting.call ?? 0, 'urgent calls to make'],
    ['read', waiting.read ?? 0, 'waiting for a read'],
    ['images', waiting.images ?? 0, 'waiting for images'],
    ['identity', waiting.identity ?? 0, 'without identity'],
  ] as const;
  return (
    <ul className="counters" aria-label="What waits">
      {tiles.map(([kind, count, words]) => (
        <li key={kind} className={`counter wait-${kind} ${count === 0 ? 'is-none' : ''}`}>
          <span className="counter-number">{count.toLocaleString('en')}</span>
          <span className="counter-words">{words}</span>
        </li>
      ))}
    </ul>
  );
}

function Calls({ exams, now, hidesNames }: { exams: readonly Exam[]; now: Date; hidesNames: boolean }) {
  const calls = openCalls(exams);
  if (calls.length === 0) return null;
  return (
    <section className="calls" aria-label="Urgent calls to make">
      <h2>Call now</h2>
      <ul>
        {calls.slice(0, CALLS_MAX).map(({ exam, read }) => (
          <li key={`${exam.accession} ${read.number}`}>
            <span className="call-for">{span(read.step.at, now)}</span>
            <span className="call-who">
              <WhoseExam exam={exam} hidden={hidesNames} /> <span className="second"><Plain text={exam.accession} max={32} /> · {exam.modality}</span>
            </span>
            <span className="call-place">
              <Plain text={exam.place || 'no place told'} max={80} />
            </span>
            <span className="second call-by">
              read by <Plain text={read.step.by} max={60} /> at {clock(new Date(read.step.at))}
              {read.calls.length > 0 && `, told ${read.calls.length}×, not read back`}
            </span>
          </li>
        ))}
      </ul>
      {calls.length > CALLS_MAX && <p className="quiet-words">and {calls.length - CALLS_MAX} more under Reads and calls</p>}
    </section>
  );
}

function OpenExams({ exams, now, hidesNames }: { exams: Exams; now: Date; hidesNames: boolean }) {
  const ranked = byUrgency(exams.exams);
  if (ranked.length === 0) return <p className="empty">No downtime exam is open.</p>;
  return (
    <>
      <table className="rows board-rows">
        <thead>
          <tr>
            <th scope="col">Waits for</th>
            <th scope="col">Patient</th>
            <th scope="col">Exam</th>
            <th scope="col">Device</th>
            <th scope="col">Stage</th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {ranked.slice(0, ROWS_MAX).map((exam) => (
            <tr key={exam.accession}>
              <td>
                <WaitMarks exam={exam} />
              </td>
              <td className="who">
                <WhoseExam exam={exam} hidden={hidesNames} />
              </td>
              <td className="what">
                <span className="modality">{exam.modality}</span> <Plain text={exam.procedure} max={80} />
                <span className="second">
                  <Plain text={exam.accession} max={32} />
                </span>
              </td>
              <td className="inline">
                <Plain text={exam.device} max={40} />
              </td>
              <td className="inline">
                <StageMark stage={exam.stage} />
              </td>
              <td className="when inline">{span(lastMoment(exam), now)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {ranked.length > ROWS_MAX && <p className="quiet-words">and {(exams.open - ROWS_MAX).toLocaleString('en')} more on the worklist</p>}
    </>
  );
}

function ExposureWords({ status }: { status: Status }) {
  if (status.exposure_seconds === null) return <>Exposure unknown: see safelight status.</>;
  if (status.exposure_seconds === 0) return <>Everything held has its copies.</>;
  return <>Exposure: {Math.ceil(status.exposure_seconds / 60).toLocaleString('en')} min would be lost right now.</>;
}
