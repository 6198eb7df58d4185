// Words of others on our page: isolated, bounded, with everything unseen made visible.

import { calmed, pieces, shortened } from '../words/text';
import type { Exam } from '../api/documents';
import { initials, NOBODY, person } from '../words/person';

const CHARACTERS_MAX = 600;

/** A text that others wrote. It cannot turn round, hide or push away what stands beside it. */
export function Plain({ text, max = CHARACTERS_MAX }: { text: string; max?: number }) {
  const cut = pieces(shortened(calmed(text), max));
  return (
    <bdi className="plain">
      {cut.map((piece, place) =>
        piece.isMark ? (
          <span key={place} className="unseen" title="A character that is not seen, or turns text round">
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
    </bdi>
  );
}

/** A patient's name; bounded to two lines by the style sheet, whole in its title. */
export function PersonName({ value, hidden = false }: { value: string; hidden?: boolean }) {
  if (hidden) return <span className="person">{initials(value) || '—'}</span>;
  const { name, also } = person(value);
  if (name === '') return <span className="person nobody">{NOBODY}</span>;
  return (
    <span className="person" title={shortened(value, CHARACTERS_MAX)}>
      <span className="person-name">
        <Plain text={name} />
      </span>
      {also && (
        <span className="person-also">
          <Plain text={also} />
        </span>
      )}
    </span>
  );
}

/** Whose exam it is. A patient whom nobody knows is called so, and by the number that stands on the wrist band. */
export function WhoseExam({ exam, hidden = false }: { exam: Exam; hidden?: boolean }) {
  if (exam.way !== 'unidentified') return <PersonName value={exam.name} hidden={hidden} />;
  return (
    <span className="person nobody">
      {NOBODY} <Plain text={exam.patient_id} max={32} />
    </span>
  );
}
