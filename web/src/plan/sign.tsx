// Signing: what is signed, why, and the password again. A change of the plan meanwhile signs nothing.

import { useState } from 'react';
import type { Plan, PlanSide } from '../api/documents';
import { ActDialog } from '../parts/act';
import { Field } from '../parts/field';
import { Plain } from '../parts/plain';
import { PLAN_SIDES } from '../words/plan';

export function SignDialog({ plan, side, onDone, onClose }: { plan: Plan; side: PlanSide; onDone: (words: string) => void; onClose: () => void }) {
  const [password, setPassword] = useState('');
  // What is shown now is signed, and not what a file says when the button is pressed.
  const [shown] = useState(plan);
  const parts = shown.unsigned[side];
  const words = PLAN_SIDES.find(([one]) => one === side)?.[1] ?? side;
  return (
    <ActDialog title={`Sign for ${words}`} path="plan/sign" body={() => ({ password, shown: shown.sides[side].shown })} submit="Sign" needsReason
      onDone={() => onDone(`Signed for ${words}: ${parts.length} parts.`)} onClose={onClose}>
      <div className="whose wide">
        <p>
          <Plain text={`${shown.title}, version ${shown.version}`} max={200} />
        </p>
        <details>
          <summary>{parts.length} parts that this side has not signed as they are</summary>
          <p className="second">
            <Plain text={parts.join(', ')} max={20_000} />
          </p>
        </details>
      </div>
      <Field label="Your password" type="password" value={password} onChange={setPassword} required wide autoComplete="current-password" maxLength={1000}
        help="You sign with your name." />
    </ActDialog>
  );
}
