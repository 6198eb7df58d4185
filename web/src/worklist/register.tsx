// Registering an exam by hand: ordered, walk-in, or a patient whom nobody knows.

import { useState } from 'react';
import type { Exam, NumberBlocks, ScheduledStep, Way } from '../api/documents';
import { useDocument } from '../api/live';
import { ActDialog } from '../parts/act';
import { Choice, Field, Radios } from '../parts/field';
import { attribute, EVERY_STATION, stationOf } from '../words/exams';
import { typed } from '../words/person';
import { day, dicomDate, dicomDay, instant, isDicomDay } from '../words/time';

export interface Registration {
  readonly way: Way;
  readonly device: string;
  readonly modality: string;
  readonly procedure: string;
  readonly place: string;
  readonly name: string;
  readonly patient_id: string;
  readonly accession: string;
  readonly birth_date: string;
  readonly sex: string;
}

export const UNKNOWN: Registration = {
  way: 'walk-in', device: '', modality: '', procedure: '', place: '', name: '', patient_id: '', accession: '', birth_date: '', sex: '',
};

/** What an order already says. */
export function fromStep(step: ScheduledStep): Registration {
  const station = stationOf(step);
  const born = step.patient['PatientBirthDate'] ?? '';
  return {
    way: 'ordered',
    device: station === EVERY_STATION ? '' : station,
    modality: attribute(step, 'Modality'),
    procedure: attribute(step, 'ScheduledProcedureStepDescription') || attribute(step, 'RequestedProcedureDescription'),
    place: '',
    name: step.patient['PatientName'] ?? '',
    patient_id: step.patient_id,
    accession: attribute(step, 'AccessionNumber'),
    // Some systems know the year alone: that is no day, and the field could neither show it nor send it.
    birth_date: isDicomDay(born) ? born : '',
    sex: ['M', 'F', 'O'].find((one) => one === step.patient['PatientSex']) ?? '',
  };
}

const WAYS: readonly (readonly [Way, string, string])[] = [
  ['walk-in', 'Walk-in', 'No order in a system; the patient says who they are.'],
  ['unidentified', 'Unidentified', 'Nobody knows who the patient is. Say so later under Identify.'],
  ['ordered', 'Ordered', 'There is an order, on paper or on the list, with numbers of its own.'],
];

export function RegisterDialog({ start, onDone, onClose }: { start: Registration; onDone: (exam: Exam) => void; onClose: () => void }) {
  const blocks = useDocument<NumberBlocks>('downtime/numbers/list').document?.blocks ?? [];
  const [told, setTold] = useState(start);
  const [site, setSite] = useState('');
  const [at, setAt] = useState('');
  const set = (name: keyof Registration) => (value: string) => setTold((before) => ({ ...before, [name]: value }));

  const devices = [...new Set(blocks.map((block) => block.device))].sort();
  const sites = [...new Set(blocks.filter((block) => !told.device || block.device === told.device).map((block) => block.site))];
  const atSite = site || sites[0] || '';
  const left = blocks
    .filter((block) => block.for === 'accession' && block.device === told.device && block.site === atSite)
    .reduce((sum, block) => sum + block.numbers - block.taken, 0);
  const isUnidentified = told.way === 'unidentified';

  const body = (): Record<string, unknown> => ({
    ...told,
    name: isUnidentified ? '' : typed(told.name),
    birth_date: dicomDay(told.birth_date),
    modality: told.modality.toUpperCase().trim(),
    site: atSite,
    at: instant(at),
  });

  return (
    <ActDialog title="Register an exam" path="downtime/exam/register" body={body} submit="Register" onDone={(answer) => onDone(answer as Exam)} onClose={onClose}>
      <Radios legend="How it came to be" name="way" value={told.way} onChange={set('way')} options={WAYS} />
      {!isUnidentified && (
        <Field label="Name" value={told.name} onChange={set('name')} wide maxLength={64} required={told.way === 'walk-in'} help="Family, given" />
      )}
      {!isUnidentified && <Field label="Birth date" type="date" value={dicomDate(told.birth_date)} onChange={set('birth_date')} max={day(new Date())} />}
      <Choice label="Sex" value={told.sex} onChange={set('sex')} options={[['', 'not known'], ['F', 'female'], ['M', 'male'], ['O', 'other']]} />
      <Field label="Device or desk" value={told.device} onChange={set('device')} required maxLength={64} suggestions={devices}
        help={told.way === 'ordered' ? 'Where it will be done.' : told.device && blocks.length > 0 ? `${left} reserved numbers left here` : 'Whose reserved numbers.'} />
      <Field label="Site" value={atSite} onChange={setSite} required maxLength={64} suggestions={sites} />
      <Field label="Modality" value={told.modality} onChange={set('modality')} required maxLength={16} suggestions={['CT', 'MR', 'DX', 'CR', 'US', 'MG', 'XA', 'NM']} />
      <Field label="Procedure" value={told.procedure} onChange={set('procedure')} maxLength={64} />
      <Field label="Where from, and whom to call" value={told.place} onChange={set('place')} maxLength={1000} wide help="Ward or bed, and a telephone number." />
      <Field label="Patient ID" value={told.patient_id} onChange={set('patient_id')} maxLength={64} required={told.way === 'ordered'}
        help={told.way === 'ordered' ? '' : 'Only if it is sure, or from a label. Empty: the next reserved one.'} />
      <Field label="Accession number" value={told.accession} onChange={set('accession')} maxLength={16} required={told.way === 'ordered'}
        help={told.way === 'ordered' ? "The order's own." : 'From a label. Empty: the next reserved one.'} />
      <Field label="When" type="datetime-local" value={at} onChange={setAt} wide help="If it stood on paper first. Empty: now." />
    </ActDialog>
  );
}
