// Moments and days as people in the department read them: local time, twenty-four hours.

const two = (value: number): string => String(value).padStart(2, '0');

export const clock = (moment: Date): string => `${two(moment.getHours())}:${two(moment.getMinutes())}`;

/** Days in writing that no two countries read differently. */
export const day = (moment: Date): string => `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;

/** What a date field says, as DICOM writes it. */
export const dicomDay = (field: string): string => field.replaceAll('-', '');

/** Whether this is a day of the calendar, as DICOM writes it. */
export function isDicomDay(text: string): boolean {
  if (!/^\d{8}$/.test(text)) return false;
  const moment = new Date(`${dicomDate(text)}T00:00:00Z`);
  return !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(dicomDate(text));
}

/** The time alone today, with the day before it on any other day. */
export function when(text: string, now: Date): string {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return text;
  return day(moment) === day(now) ? clock(moment) : `${day(moment)} ${clock(moment)}`;
}

/** How long something has lasted: "7 min", "3 h 05 min", "2 d 4 h". */
export function span(from: string, now: Date): string {
  const minutes = Math.floor((now.getTime() - new Date(from).getTime()) / 60_000);
  if (Number.isNaN(minutes)) return '';
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A date of DICOM (DA) as written days; anything else as it came. */
export function dicomDate(text: string): string {
  return /^\d{8}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text;
}

/** A time of DICOM (TM) to the minute; anything else as it came. */
export function dicomTime(text: string): string {
  return /^\d{4}/.test(text) ? `${text.slice(0, 2)}:${text.slice(2, 4)}` : text;
}

/** What a field for date and time holds, as an instant with its offset. */
export function instant(local: string): string | undefined {
  if (local === '') return undefined;
  const moment = new Date(local);
  if (Number.isNaN(moment.getTime())) return local;
  const offset = -moment.getTimezoneOffset();
  const sign = offset < 0 ? '-' : '+';
  const size = Math.abs(offset);
  return `${day(moment)}T${clock(moment)}:00${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}
