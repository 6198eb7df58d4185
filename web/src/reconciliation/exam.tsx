// One exam of the outage: what happened, how each side has it, which order it may fulfil and why, what to decide.

import { useState, type ReactNode } from 'react';
import type { Decision, Difference, ExamOnAllSides, Ordered, Proposal, ReconciledExam, Side } from '../api/documents';
import { useDocument } from '../api/live';
import { ActButton } from '../parts/act';
import { WaitsForMark } from '../parts/marks';
import { Notice } from '../parts/notice';
import { PatientLine, PersonName, Plain } from '../parts/plain';
import { decided, decider, fit, kindWords, started, verdictsFor, type FreeVerdict } from '../words/reconciliation';
import { dicomDate, when } from '../words/time';
import { DecideDialog, MatchDialog, UndoDialog } from './reconciliation_acts';

type Act =
  | { readonly what: 'match'; readonly proposal: Proposal | null }
  | { readonly what: 'decide'; readonly difference: Difference; readonly verdicts: readonly FreeVerdict[] }
  | { readonly what: 'undo'; readonly decision: Decision };

export function OneExam({ exam, now, onTold }: { exam: ReconciledExam; now: Date; onTold: (words: string) => void }) {
  const whole = useDocument<ExamOnAllSides>('reconciliation/exam', { exam: exam.exam }, 0, 'reconciliation/report');
  const [act, setAct] = useState<Act | null>(null);
  const done = (words: string): void => {
    onTold(words);
    setAct(null);
  };
  const shown = whole.document;
  const withoutOrder = exam.differences.find((one) => one.kind === 'study-without-order');
  const rest = exam.differences.filter((one) => one !== withoutOrder);
  const openWords = withoutOrder ? 'What else is open' : 'What is open';
  return (
    <article className="one-exam" aria-label="Exam">
      <header>
        <h2>
          <PersonName value={exam.is_identified ? exam.name : ''} />
        </h2>
        <PatientLine of={exam}>
          accession <Plain text={exam.accession || 'none'} max={32} />
        </PatientLine>
        <p className="exam-what">
          <span className="modality">{exam.modalities.join('/')}</span> <Plain text={exam.procedure} max={300} />
        </p>
        <p>
          <Plain text={happened(exam, shown, now)} />
        </p>
      </header>
      <Notice error={whole.error} onRetry={whole.reload} />
      {exam.decision && (
        <section className="read" aria-label="Decision">
          <h3>{decided(exam.decision)}</h3>
          <p>
            <Plain text={decider(exam.decision)} max={100} />, {when(exam.decision.at, now)}:{' '}
            <Plain text={exam.decision.reason} max={600} />
          </p>
          <ActButton right="reconcile" small className="quiet" onPress={() => exam.decision && setAct({ what: 'undo', decision: exam.decision })}>
            Take back…
          </ActButton>
        </section>
      )}
      {withoutOrder && shown && (
        <section aria-label="Orders that it may fulfil">
          <h3>{shown.proposals.length === 0 ? 'No order fits' : 'Which order does it fulfil?'}</h3>
          {!exam.is_identified && <p>Nobody knows yet who the patient is: identify the exam in the worklist first.</p>}
          {shown.proposals.slice(0, PROPOSALS_SHOWN).map((one) => (
            <OneProposal key={one.key} proposal={one} onMatch={() => setAct({ what: 'match', proposal: one })} />
          ))}
          {shown.proposals.length > PROPOSALS_SHOWN && <p className="second">{shown.proposals.length - PROPOSALS_SHOWN} more fit less well.</p>}
          <div className="acts">
            <ActButton right="reconcile" className="quiet" onPress={() => setAct({ what: 'match', proposal: null })}>
              Another order…
            </ActButton>
            <ActButton right="reconcile" className="quiet" onPress={() => setAct({ what: 'decide', difference: withoutOrder, verdicts: verdictsFor(withoutOrder) })}>
              No order will come…
            </ActButton>
          </div>
        </section>
      )}
      {shown && <SideBySide exam={shown} withOrders={withoutOrder !== undefined} now={now} />}
      {rest.length > 0 && (
        <section aria-label={openWords}>
          <h3>{openWords}</h3>
          <ul className="open-list">
            {rest.map((one) => (
              <li key={one.id}>
                <p>
                  <strong>{kindWords(one)}.</strong> <Plain text={one.told} max={300} />{' '}
                  <WaitsForMark wait={one.waits_for} before="waits for " />
                </p>
                <ActButton right="reconcile" small className="quiet" onPress={() => setAct({ what: 'decide', difference: one, verdicts: verdictsFor(one) })}>
                  Decide…
                </ActButton>
              </li>
            ))}
          </ul>
        </section>
      )}
      {act?.what === 'match' && <MatchDialog exam={exam} proposal={act.proposal} onDone={done} onClose={() => setAct(null)} />}
      {act?.what === 'decide' && <DecideDialog difference={act.difference} verdicts={act.verdicts} onDone={done} onClose={() => setAct(null)} />}
      {act?.what === 'undo' && <UndoDialog decision={act.decision} onDone={done} onClose={() => setAct(null)} />}
    </article>
  );
}

const PROPOSALS_SHOWN = 5;

/** What happened to it, as one would tell it. */
function happened(exam: ReconciledExam, whole: ExamOnAllSides | null, now: Date): string {
  const where = exam.device ? ` on ${exam.device}` : '';
  const begun = exam.registered ? `Registered ${exam.at ? when(exam.at, now) : ''}${where}` : `Acquired${where}; nobody registered it`;
  const images = exam.instances === 0 ? 'no images here' : `${exam.instances} image${exam.instances === 1 ? '' : 's'}`;
  const reads = (whole?.reads ?? []).map((read) => {
    const call = read.urgent ? (read.read_back ? ', urgent and read back' : ', urgent and NOT read back') : '';
    return `read by ${read.by} ${when(read.at, now)}${call}`;
  });
  return `${[begun, exam.is_cancelled ? 'cancelled' : images, ...reads].join(' · ')}.`;
}

function OneProposal({ proposal, onMatch }: { proposal: Proposal; onMatch: () => void }) {
  const { ordered } = proposal;
  return (
    <section className={`read ${proposal.certain ? 'fits' : ''}`} aria-label={`Order ${proposal.order}`}>
      <h4>
        <span>
          Order <Plain text={proposal.order} max={64} />
        </span>
        <PersonName value={ordered.name} />
      </h4>
      <p>
        <Plain text={[ordered.modalities.join('/'), ordered.procedure].join(' ')} max={200} />
        {ordered.started && `, ordered for ${started(ordered.started)}`}
      </p>
      <p>
        <strong>{fit(proposal)}</strong> <span className="quiet-words">({proposal.points} points)</span>
      </p>
      {proposal.for.length > 0 && <p className="speaks-for">For it: {proposal.for.join(', ')}.</p>}
      {proposal.against.length > 0 && <p className="speaks-against">Against it: {proposal.against.join(', ')}.</p>}
      <ActButton right="reconcile" className={proposal.against.length > 0 ? 'quiet' : 'primary'} small onPress={onMatch}>
        Match to this order…
      </ActButton>
    </section>
  );
}

const ROWS = [
  ['name', 'Name'],
  ['patient_id', 'Patient ID'],
  ['birth_date', 'Born'],
  ['sex', 'Sex'],
  ['accession', 'Accession'],
  ['modalities', 'Modality'],
  ['procedure', 'Procedure'],
  ['started', 'When'],
] as const;

const SIDES: Readonly<Record<Side['side'], string>> = {
  registered: 'As registered',
  identified: 'As identified',
  images: 'In the images',
  decided: 'As decided',
  target: 'At the PACS',
};

type Column = { readonly title: string } & Pick<Side, 'differs' | 'temporary'> & Omit<Ordered, 'differs' | 'temporary' | 'placer' | 'filler' | 'is_cancelled'>;

/** Each side beside the others; what contradicts the exam as it was done is marked, in a word and not by colour alone. */
function SideBySide({ exam, withOrders, now }: { exam: ExamOnAllSides; withOrders: boolean; now: Date }) {
  const orders = withOrders ? exam.proposals.slice(0, 2) : [];
  const columns: Column[] = [
    ...exam.sides.map((one) => ({ ...one, title: SIDES[one.side] })),
    ...orders.map((one) => ({ ...one.ordered, differs: one.ordered.differs ?? [], temporary: one.ordered.temporary ?? [], title: `Order ${one.order}` })),
  ];
  const rows = ROWS.filter(([field]) => columns.some((one) => one[field].length > 0));
  return (
    <section aria-label="Side by side">
      <h3>Side by side</h3>
      <div className="sides-frame" tabIndex={0} role="region" aria-label="Table: each side beside the others">
        <table className="sides">
          <thead>
            <tr>
              <td />
              {columns.map((one, place) => (
                <th key={place} scope="col">
                  <Plain text={one.title} max={40} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([field, words]) => (
              <tr key={field}>
                <th scope="row">{words}</th>
                {columns.map((one, place) => (
                  <td key={place} className={one.differs.includes(field) ? 'is-other' : ''}>
                    {cell(one, field, now)}
                    {one.differs.includes(field) && <span className="side-note">differs</span>}
                    {one.temporary.includes(field) && <span className="side-note lent">given out for the outage</span>}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function cell(one: Column, field: (typeof ROWS)[number][0], now: Date): ReactNode {
  if (field === 'modalities') return one.modalities.join('/') || '—';
  const text = one[field];
  if (text === '') return '—';
  if (field === 'name') return <PersonName value={text} />;
  if (field === 'birth_date') return dicomDate(text);
  if (field === 'started') return text.includes('-') ? when(text, now) : started(text);
  return <Plain text={text} max={120} />;
}
