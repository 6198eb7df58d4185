// Saying what is away, and what comes back.

import { useState } from 'react';
import type { Phase, Scope } from '../api/documents';
import { ActButton, ActDialog } from '../parts/act';
import { Field, Radios, Tick } from '../parts/field';
import { SCOPE_WORDS } from '../parts/marks';
import { instant } from '../words/time';

export function DeclareDialog({ onClose }: { onClose: () => void }) {
  const [scopes, setScopes] = useState<readonly string[]>([]);
  const [since, setSince] = useState('');
  return (
    <ActDialog
      title="Declare a downtime"
      path="downtime/declare"
      body={() => ({ scopes, since: instant(since) })}
      submit="Declare"
      danger
      needsReason
      onDone={onClose}
      onClose={onClose}
    >
      <fieldset className="field wide">
        <legend>What is away?</legend>
        <div className="ticks">
          {Object.entries(SCOPE_WORDS).map(([scope, words]) => (
            <Tick key={scope} label={words} checked={scopes.includes(scope)}
              onChange={(checked) => setScopes((before) => (checked ? [...before, scope] : before.filter((one) => one !== scope)))} />
          ))}
        </div>
      </fieldset>
      <Field label="Since when" type="datetime-local" value={since} onChange={setSince} wide help="When it broke, not when it was noticed. Empty: now." />
    </ActDialog>
  );
}

interface ScopeAct {
  readonly verb: 'recover' | 'end' | 'close' | 'cancel';
  readonly words: string;
  readonly help: string;
}

const RECOVER: ScopeAct = { verb: 'recover', words: 'Coming back', help: 'It is being brought back: rebuilt, refilled, tried out.' };
const END: ScopeAct = { verb: 'end', words: 'Back in service', help: 'It works again. What was done meanwhile is reconciled from now on.' };
const CLOSE: ScopeAct = { verb: 'close', words: 'Close', help: 'Nothing of the outage is open any more: back to normal.' };
const CANCEL: ScopeAct = { verb: 'cancel', words: 'Take back', help: 'It was a mistake, or the plan was given up.' };

/** As the table of phases allows; the server has the last word. */
const ACTS: Readonly<Partial<Record<Phase, readonly ScopeAct[]>>> = {
  planned: [CANCEL],
  downtime: [RECOVER, END, CANCEL],
  recovery: [END],
  reconciliation: [CLOSE],
  'second-outage': [RECOVER, END, CANCEL],
};

export function ScopeActs({ scope }: { scope: Scope }) {
  const [isOpen, setIsOpen] = useState(false);
  const acts = ACTS[scope.phase] ?? [];
  if (acts.length === 0) return null;
  return (
    <span className="scope-acts no-print">
      <ActButton right="conclude" small className="quiet" onPress={() => setIsOpen(true)}>
        Change…
      </ActButton>
      {isOpen && <ChangeDialog scope={scope} acts={acts} onClose={() => setIsOpen(false)} />}
    </span>
  );
}

function ChangeDialog({ scope, acts, onClose }: { scope: Scope; acts: readonly ScopeAct[]; onClose: () => void }) {
  const [verb, setVerb] = useState(acts[0]?.verb ?? 'end');
  const [since, setSince] = useState('');
  const [leaveOpen, setLeaveOpen] = useState(false);
  const act = acts.find((one) => one.verb === verb);
  const takesTime = verb === 'recover' || verb === 'end';
  return (
    <ActDialog
      title={SCOPE_WORDS[scope.scope] ?? scope.scope}
      path={`downtime/${verb}`}
      body={() => ({
        scopes: [scope.scope],
        ...(takesTime ? { since: instant(since) } : {}),
        ...(verb === 'close' && leaveOpen ? { leave_open: true } : {}),
      })}
      submit={act?.words ?? 'Record'}
      needsReason
      onDone={onClose}
      onClose={onClose}
    >
      <Radios legend="What happens to it?" name="verb" value={verb} onChange={(value) => setVerb(value as ScopeAct['verb'])}
        options={acts.map((one) => [one.verb, one.words, one.help])} />
      {takesTime && <Field label="Since when" type="datetime-local" value={since} onChange={setSince} wide help="Empty: now." />}
      {verb === 'close' && (
        <div className="field wide">
          <Tick label="Close although exams of the outage wait for something" checked={leaveOpen} onChange={setLeaveOpen} />
        </div>
      )}
    </ActDialog>
  );
}
