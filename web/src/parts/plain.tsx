// Words of others on our page: isolated, bounded, with everything unseen made visible.

import type { ReactNode } from 'react';
import type { Exam, Told } from '../api/documents';
import { initials, NOBODY, person } from '../words/person';
import { calmed, pieces, shortened } from '../words/text';
import { dicomDate } from '../words/time';

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

/** A patient whom nobody knows is called so, and by the number that stands on the wrist band. */
export function Nobody({ id }: { id: string }) {
  return (
    <span className="person nobody">
      {NOBODY} <Plain text={id} max={32} />
    </span>
  );
}

/** Whose exam it is. */
export function WhoseExam({ exam, hidden = false }: { exam: Exam; hidden?: boolean }) {
  if (exam.way !== 'unidentified') return <PersonName value={exam.name} hidden={hidden} />;
  return <Nobody id={exam.patient_id} />;
}

/** Number, birth date and sex of a patient, and what else tells the exam from others. */
export function PatientLine({ of, children }: { of: Pick<Told, 'patient_id' | 'birth_date' | 'sex'>; children: ReactNode }) {
  return (
    <p className="second">
      <Plain text={of.patient_id} max={64} />
      {of.birth_date && ` · born ${dicomDate(of.birth_date)}`} {of.sex && `· ${of.sex}`} · {children}
    </p>
  );
}
