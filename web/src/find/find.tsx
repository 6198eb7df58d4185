// Find studies, and open them in the viewer.

import { useState, type FormEvent } from 'react';
import type { Studies, Study } from '../api/documents';
import { useDocument } from '../api/live';
import { Field } from '../parts/field';
import { Notice } from '../parts/notice';
import { Pager } from '../parts/pager';
import { PersonName, Plain } from '../parts/plain';
import { useSession, useWhyNot } from '../session';
import { dicomDate, dicomDay, dicomTime } from '../words/time';

const PAGE_SIZE = 50;
const NOTHING = { patient_id: '', name: '', accession: '', modality: '', date_from: '', date_to: '' };

export function Find() {
  const why = useWhyNot('find');
  const [typed, setTyped] = useState(NOTHING);
  const [asked, setAsked] = useState({ ...NOTHING, offset: 0 });
  const shown = useDocument<Studies>(why ? null : 'catalog/find', { ...asked, limit: PAGE_SIZE });
  const set = (name: keyof typeof NOTHING) => (value: string) => setTyped((before) => ({ ...before, [name]: value }));

  const find = (event: FormEvent): void => {
    event.preventDefault();
    const days = { date_from: dicomDay(typed.date_from), date_to: dicomDay(typed.date_to) };
    const next = { ...typed, ...days, modality: typed.modality.toUpperCase(), name: asPattern(typed.name), offset: 0 };
    if (JSON.stringify(next) === JSON.stringify(asked)) shown.reload();
    else setAsked(next);
  };

  const studies = shown.document?.studies ?? [];
  return (
    <main className="page find">
      <h1>Find</h1>
      {why && <p className="notice">{why}</p>}
      <form className="search" role="search" onSubmit={find}>
        <Field label="Patient ID" value={typed.patient_id} onChange={set('patient_id')} maxLength={64} autoFocus />
        <Field label="Name" value={typed.name} onChange={set('name')} maxLength={200} placeholder="DOE^J" />
        <Field label="Accession number" value={typed.accession} onChange={set('accession')} maxLength={64} />
        <Field label="Modality" value={typed.modality} onChange={set('modality')} maxLength={16} placeholder="CT" />
        <Field label="From" type="date" value={typed.date_from} onChange={set('date_from')} />
        <Field label="To" type="date" value={typed.date_to} onChange={set('date_to')} />
        <button type="submit" className="primary" aria-busy={shown.isLoading}>
          Find
        </button>
      </form>
      <Notice error={shown.error} onRetry={shown.reload} />
      {shown.document && studies.length === 0 && (
        <p className="empty">No study fits. Fewer words find more; a name may end early: DOE finds DOE^JANE.</p>
      )}
      {studies.length > 0 && <StudyTable studies={studies} />}
      {shown.document && (
        <Pager offset={shown.document.offset} count={studies.length} size={PAGE_SIZE} isMore={shown.document.is_more}
          onGo={(offset) => setAsked((before) => ({ ...before, offset }))} />
      )}
    </main>
  );
}

/** People type how a name begins. */
function asPattern(name: string): string {
  const text = name.trim();
  return text === '' || /[*?]/.test(text) ? text : `${text.replace(/\s*,\s*/, '^')}*`;
}

function StudyTable({ studies }: { studies: readonly Study[] }) {
  return (
    <table className="rows">
      <thead>
        <tr>
          <th scope="col">Date</th>
          <th scope="col">Patient</th>
          <th scope="col">Study</th>
          <th scope="col">Accession</th>
          <th scope="col" className="number">Images</th>
          <th scope="col" className="no-print">
            <span className="for-readers">Open</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {studies.map((study) => (
          <tr key={study.study}>
            <td className="when">
              {study.date ? dicomDate(study.date) : 'no date'}
              <span className="second">{dicomTime(study.time)}</span>
            </td>
            <td className="who">
              <PersonName value={study.patient_name} />
              <span className="second">
                <Plain text={study.patient_id || 'no patient ID'} max={64} /> {study.birth_date && `· born ${dicomDate(study.birth_date)}`}
              </span>
            </td>
            <td className="what">
              <span className="modality">{study.modalities.join(' ')}</span> <Plain text={study.description} max={120} />
            </td>
            <td>
              <Plain text={study.accession} max={64} />
            </td>
            <td className="number" data-label="Images">
              {study.instances.toLocaleString('en')}
              <span className="second">{study.series === 1 ? '1 series' : `${study.series} series`}</span>
            </td>
            <td className="acts no-print">
              <OpenStudy study={study} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function OpenStudy({ study }: { study: Study }) {
  const { site } = useSession();
  if (study.viewer === null || !study.viewer.startsWith('/viewer/')) {
    return <span className="quiet-words">{site.viewer ? 'no images' : 'no viewer installed'}</span>;
  }
  return (
    <a className="button small primary" href={study.viewer} target="_blank" rel="noopener">
      Open
    </a>
  );
}
