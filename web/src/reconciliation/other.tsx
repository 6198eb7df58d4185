// A difference that belongs to no exam: an order that nobody fulfilled, a study that only the PACS has ...

import { useState } from 'react';
import type { OtherDifference } from '../api/documents';
import { ActButton } from '../parts/act';
import { PersonName, Plain } from '../parts/plain';
import { kindWords, started, WAITS_FOR } from '../words/reconciliation';
import { dicomDate } from '../words/time';
import { DecideDialog } from './reconciliation_acts';

export function OneOther({ difference, onTold }: { difference: OtherDifference; onTold: (words: string) => void }) {
  const [decides, setDecides] = useState(false);
  const { ordered } = difference;
  return (
    <article className="one-exam" aria-label="Difference">
      <header>
        <h2>{ordered ? <PersonName value={ordered.name} /> : kindWords(difference)}</h2>
        {ordered && (
          <p className="second">
            <Plain text={ordered.patient_id} max={64} />
            {ordered.birth_date && ` · born ${dicomDate(ordered.birth_date)}`} {ordered.sex && `· ${ordered.sex}`} · order <Plain text={difference.order} max={64} />
          </p>
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
        <span className={`mark reconcile-${difference.waits_for}`}>waits for {WAITS_FOR[difference.waits_for] ?? difference.waits_for}</span>
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
        <DecideDialog difference={difference} verdicts={difference.kind === 'order-without-study' && difference.order ? ['not-done', 'left'] : ['left']}
          onDone={(words) => { onTold(words); setDecides(false); }} onClose={() => setDecides(false)} />
      )}
    </article>
  );
}
