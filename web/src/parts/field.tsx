// Fields of forms: a label above, a word of help below, and the browser's own control.

import { useId, type ReactNode } from 'react';

interface Common {
  readonly label: string;
  readonly help?: ReactNode;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly required?: boolean;
  readonly autoFocus?: boolean;
  readonly wide?: boolean;
}

interface InputField extends Common {
  readonly type?: 'text' | 'date' | 'datetime-local' | 'password' | 'search';
  readonly maxLength?: number;
  readonly max?: string;
  readonly pattern?: string;
  readonly autoComplete?: string;
  readonly suggestions?: readonly string[];
  readonly placeholder?: string;
}

export function Field({ label, help, value, onChange, wide, suggestions, type = 'text', autoComplete = 'off', ...rest }: InputField) {
  const id = useId();
  return (
    <div className={wide ? 'field wide' : 'field'}>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type={type}
        value={value}
        autoComplete={autoComplete}
        spellCheck={false}
        list={suggestions ? `${id}-list` : undefined}
        aria-describedby={help ? `${id}-help` : undefined}
        onChange={(event) => onChange(event.target.value)}
        {...rest}
      />
      {suggestions && (
        <datalist id={`${id}-list`}>
          {suggestions.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
      {help && (
        <p className="help" id={`${id}-help`}>
          {help}
        </p>
      )}
    </div>
  );
}

export function Choice({ label, help, value, onChange, options, wide, ...rest }: Common & { options: readonly (readonly [string, string])[] }) {
  const id = useId();
  return (
    <div className={wide ? 'field wide' : 'field'}>
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)} {...rest}>
        {options.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
      {help && <p className="help">{help}</p>}
    </div>
  );
}

/** Choices that need a word of explanation each. */
export function Radios({ legend, name, value, onChange, options }: {
  legend: string;
  name: string;
  value: string;
  onChange: (value: string) => void;
  options: readonly (readonly [string, string, string])[];
}) {
  return (
    <fieldset className="field wide ways">
      <legend>{legend}</legend>
      {options.map(([option, words, help]) => (
        <label key={option} className="way">
          <input type="radio" name={name} value={option} checked={value === option} onChange={() => onChange(option)} />
          <span>
            <strong>{words}</strong> <span className="second">{help}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

export function LongText({ label, help, value, onChange, wide, rows = 5, ...rest }: Common & { rows?: number; maxLength?: number }) {
  const id = useId();
  return (
    <div className={wide ? 'field wide' : 'field'}>
      <label htmlFor={id}>{label}</label>
      <textarea id={id} rows={rows} value={value} dir="auto" onChange={(event) => onChange(event.target.value)} {...rest} />
      {help && <p className="help">{help}</p>}
    </div>
  );
}

export function Tick({ label, checked, onChange }: { label: ReactNode; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <label className="tick">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />
      <span>{label}</span>
    </label>
  );
}
