// After an outage: every exam meets its order and its patient, until nothing is open.

import { useEffect, useState } from 'react';
import type { Decision, Decisions, Reconciliation as Report } from '../api/documents';
import { useDocument, useNow } from '../api/live';
import { ActButton } from '../parts/act';
import { WaitsForMark } from '../parts/marks';
import { Notice } from '../parts/notice';
import { Pager } from '../parts/pager';
import { Nobody, PersonName, Plain } from '../parts/plain';
import { decided, decider, kindWords, openItems, settledItems, VERDICTS, WAITS_FOR, waitsOf, type Item } from '../words/reconciliation';
import { when } from '../words/time';
import { OneExam } from './exam';
import { OneOther } from './other';
import { CompareDialog, SendDialog, UndoDialog } from './reconciliation_acts';

const PAGE_SIZE = 50;
const SHOWN = [['open', 'Open'], ['settled', 'Settled'], ['decisions', 'Decisions']] as const;
type Shown = (typeof SHOWN)[number][0];

export function Reconciliation() {
  const [shown, setShown] = useState<Shown>('open');
  const [act, setAct] = useState<'compare' | 'send' | null>(null);
  const [told, setTold] = useState('');
  const report = useDocument<Report>('reconciliation/report');
  const now = useNow();
  const document = report.document;
  const done = (words: string): void => {
    setTold(words);
    setAct(null);
  };
  return (
    <main className="page reconciliation">
      <div className="page-head">
        <h1>Reconciliation</h1>
        <div className="acts">
          <ActButton right="reconcile" className="quiet" onPress={() => setAct('compare')}>
            Compare with the PACS
          </ActButton>
          <ActButton right="reconcile" className="primary" onPress={() => setAct('send')}>
            Do what was decided
          </ActButton>
        </div>
      </div>
      <Notice error={report.error} onRetry={report.reload} />
      <p className="told" role="status">
        {told}
      </p>
      {document && <Summary report={document} now={now} />}
      <div className="segments" role="group" aria-label="What is shown">
        {SHOWN.map(([one, words]) => (
          <button key={one} type="button" className="quiet" aria-pressed={shown === one} onClick={() => setShown(one)}>
            {words}
          </button>
        ))}
      </div>
      {document && shown !== 'decisions' && <Items key={shown} report={document} isOpen={shown === 'open'} now={now} onTold={setTold} />}
      {shown === 'decisions' && <DecisionList now={now} onTold={setTold} />}
      {act === 'compare' && <CompareDialog target={document?.target ?? ''} onDone={done} onClose={() => setAct(null)} />}
      {act === 'send' && <SendDialog target={document?.target ?? ''} onDone={done} onClose={() => setAct(null)} />}
    </main>
  );
}

/** How much is open, what it waits for, and how old the last look at the PACS is. */
function Summary({ report, now }: { report: Report; now: Date }) {
  if (report.outages.length === 0) return null;
  const waits = Object.entries(report.by_wait).sort(([, one], [, other]) => other - one);
  return (
    <p className="page-sum">
      <strong>{report.open === 0 ? 'Nothing is open.' : `${report.open} open:`}</strong>{' '}
      {waits.map(([wait, count]) => `${count} for ${WAITS_FOR[wait] ?? wait}`).join(' · ')}
      <span className="second">
        {report.compared_at ? (
          <>
            Compared with <Plain text={report.target ?? ''} max={80} /> at {when(report.compared_at, now)}
          </>
        ) : (
          'The PACS was not asked yet what it has.'
        )}
        {report.cut_short.length > 0 && ` It did not name every study of ${report.cut_short.join(', ')}.`}
        {report.is_more && ' The first 1000 are shown.'}
      </span>
    </p>
  );
}

function Items({ report, isOpen, now, onTold }: { report: Report; isOpen: boolean; now: Date; onTold: (words: string) => void }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const [offset, setOffset] = useState(0);
  const wanted = isOpen ? openItems(report.exams, report.others) : settledItems(report.exams);
  const all = [...openItems(report.exams, report.others), ...settledItems(report.exams)];
  const page = wanted.slice(offset, offset + PAGE_SIZE);
  const first = page[0]?.key ?? null;
  useEffect(() => setChosen((before) => before ?? first), [first]);
  // What one looks at stays when it is settled meanwhile: nobody decides upon another patient by a late press.
  const item = all.find((one) => one.key === chosen) ?? null;
  if (wanted.length === 0 && item === null) return <p className="empty">{emptyWords(report, isOpen)}</p>;
  return (
    <div className="two-panes">
      <div>
        <ul className="exam-list" aria-label={isOpen ? 'What is open' : 'What is settled'}>
          {page.map((one) => (
            <li key={one.key}>
              <button type="button" className="exam-choice" aria-current={one.key === chosen || undefined} onClick={() => setChosen(one.key)}>
                <Choice item={one} now={now} />
              </button>
            </li>
          ))}
        </ul>
        <Pager offset={offset} count={page.length} size={PAGE_SIZE} isMore={offset + PAGE_SIZE < wanted.length} onGo={setOffset} />
      </div>
      {item?.exam && <OneExam key={item.key} exam={item.exam} now={now} onTold={onTold} />}
      {item?.other && <OneOther key={item.key} difference={item.other} onTold={onTold} />}
      {item === null && <p className="empty">It is settled, or gone.</p>}
    </div>
  );
}

function emptyWords(report: Report, isOpen: boolean): string {
  if (report.outages.length === 0) return 'No outage is being reconciled. What was done in one stands here from its beginning until it is closed.';
  return isOpen ? 'Nothing is open: every exam has its order and its patient.' : 'Nothing is settled yet.';
}

function Choice({ item, now }: { item: Item; now: Date }) {
  const { exam, other } = item;
  if (exam === null) {
    const ordered = other.ordered;
    return (
      <>
        <span className="exam-choice-top">
          <span className="modality">{ordered?.modalities.join('/') ?? ''}</span> {ordered ? <PersonName value={ordered.name} /> : kindWords(other)}
        </span>
        <span className="second">
          {ordered ? <Plain text={`Order ${other.order} ${ordered.procedure}`} max={80} /> : <Plain text={other.subject} max={64} />}
        </span>
        <Waits differences={[other]} />
      </>
    );
  }
  return (
    <>
      <span className="exam-choice-top">
        <span className="modality">{exam.modalities.join('/')}</span> {exam.is_identified ? <PersonName value={exam.name} /> : <Nobody id={exam.patient_id} />}
      </span>
      <span className="second">
        <Plain text={exam.procedure || (exam.registered ? exam.exam : 'nobody registered it')} max={80} />
        {exam.at && ` · ${when(exam.at, now)}`}
      </span>
      {exam.differences.length > 0 ? <Waits differences={exam.differences} /> : <span className="quiet-words">{exam.decision ? decided(exam.decision) : 'nothing to do'}</span>}
    </>
  );
}

function Waits({ differences }: { differences: Parameters<typeof waitsOf>[0] }) {
  return (
    <span className="waits">
      {waitsOf(differences).map((wait) => (
        <WaitsForMark key={wait} wait={wait} />
      ))}
    </span>
  );
}

function DecisionList({ now, onTold }: { now: Date; onTold: (words: string) => void }) {
  const { document, error, reload } = useDocument<Decisions>('reconciliation/log');
  const [undoes, setUndoes] = useState<Decision | null>(null);
  const decisions = [...(document?.decisions ?? [])].reverse();
  return (
    <>
      <Notice error={error} onRetry={reload} />
      {document && decisions.length === 0 && <p className="empty">Nobody has decided anything yet.</p>}
      {decisions.length > 0 && (
        <table className="rows decisions">
          <thead>
            <tr>
              <th scope="col">No.</th>
              <th scope="col">What</th>
              <th scope="col">Patient</th>
              <th scope="col">By, and why</th>
              <th scope="col">What came of it</th>
              <th scope="col">
                <span className="for-readers">Acts</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {decisions.map((one) => (
              <tr key={one.decision} className={one.state === 'undone' ? 'is-cancelled' : ''}>
                <td className="inline">{one.decision}</td>
                <td>
                  {one.state === 'undone' ? VERDICTS[one.verdict] ?? one.verdict : decided(one)}
                  <span className="second">
                    <Plain text={one.subject} max={64} />
                  </span>
                </td>
                <td>
                  {one.identity && <PersonName value={one.identity.name} />}
                  {one.identity && (
                    <span className="second">
                      <Plain text={one.identity.patient_id} max={64} />
                    </span>
                  )}
                </td>
                <td>
                  <Plain text={decider(one)} max={100} />, {when(one.at, now)}
                  <span className="second">
                    <Plain text={one.reason} max={300} />
                  </span>
                </td>
                <td>
                  {one.done.length > 0 && (
                    <ul>
                      {one.done.map((done) => (
                        <li key={done.what} className="second">
                          <Plain text={done.what} max={120} />, {when(done.at, now)}
                        </li>
                      ))}
                    </ul>
                  )}
                  {one.undone && (
                    <p>
                      Taken back by <Plain text={one.undone.by} max={100} />: <Plain text={one.undone.reason} max={300} />
                    </p>
                  )}
                </td>
                <td className="acts">
                  {one.state === 'in-force' && (
                    <ActButton right="reconcile" small className="quiet" onPress={() => setUndoes(one)}>
                      Take back…
                    </ActButton>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {undoes && <UndoDialog decision={undoes} onDone={(words) => { onTold(words); setUndoes(null); }} onClose={() => setUndoes(null)} />}
    </>
  );
}
