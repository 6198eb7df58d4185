// A difference that belongs to no exam: an order that nobody fulfilled, a study that only the PACS has ...

import { useState } from 'react';
import type { OtherDifference } from '../api/documents';
import { ActButton } from '../parts/act';
import { WaitsForMark } from '../parts/marks';
import { PatientLine, PersonName, Plain } from '../parts/plain';
import { kindWords, started, verdictsFor } from '../words/reconciliation';
import { DecideDialog } from './reconciliation_acts';

export function OneOther({ difference, onTold }: { difference: OtherDifference; onTold: (words: string) => void }) {
  const [decides, setDecides] = useState(false);
  const { ordered } = difference;
  return (
    <article className="one-exam" aria-label="Difference">
      <header>
        <h2>{ordered ? <PersonName value={ordered.name} /> : kindWords(difference)}</h2>
        {ordered && (
          <PatientLine of={ordered}>
            order <Plain text={difference.order} max={64} />
          </PatientLine>
        )}
        {ordered && (
          <p className="exam-what">
            <span className="modality">{ordered.modalities.join('/')}</span> <Plain text={ordered.procedure} max={300} />
            {ordered.started && ` · ordered for ${started(ordered.started)}`}
          </p>
        )}
      </header>
      <p>
        {ordered && <strong>{kindWords(difference)}. </strong>}
        <Plain text={difference.told} max={300} />{' '}
        <WaitsForMark wait={difference.waits_for} before="waits for " />
      </p>
      {!ordered && (
        <p className="second">
          <Plain text={difference.subject} max={128} />
        </p>
      )}
      {difference.kind === 'order-without-study' && difference.order && (
        <p>If an exam in the list at the left was done for this order, choose that exam and match it. Otherwise say that it was not done.</p>
      )}
      <div className="acts">
        <ActButton right="reconcile" className="quiet" onPress={() => setDecides(true)}>
          Decide…
        </ActButton>
      </div>
      {decides && (
        <DecideDialog difference={difference} verdicts={verdictsFor(difference)}
          onDone={(words) => { onTold(words); setDecides(false); }} onClose={() => setDecides(false)} />
      )}
    </article>
  );
}
