// The recovery plan of both sides: what stands in the way, whose values differ, who has signed, which drills are due.

import { useState } from 'react';
import { Refused } from '../api/call';
import type { Assessment, DueDrill, Finding, NoPlan, Objective, Plan as PlanDocument, PlanSide } from '../api/documents';
import { useDocument, useNow } from '../api/live';
import { Notice } from '../parts/notice';
import { Plain } from '../parts/plain';
import { useSession } from '../session';
import { byService, openFindings, PLAN_SIDES } from '../words/plan';
import { when } from '../words/time';
import { SignDialog } from './sign';

const EVERY_MILLISECONDS = 60_000;

export function Plan() {
  const shown = useDocument<PlanDocument | NoPlan>('plan/show', {}, EVERY_MILLISECONDS);
  const assessed = useDocument<Assessment>('plan/assess', {}, EVERY_MILLISECONDS);
  const plan = shown.document;
  if (plan !== null && !plan.has_plan) return <HowToBegin consoleKey={plan.console_key} />;
  const findings = assessed.document?.has_plan ? assessed.document : null;
  return (
    <main className="page plan">
      <div className="page-head">
        <h1>Recovery plan</h1>
      </div>
      <Notice error={shown.error ?? assessed.error} onRetry={() => { shown.reload(); assessed.reload(); }} />
      <Mistake error={shown.error} />
      {plan && (
        <p className="page-sum">
          <strong>
            <Plain text={`${plan.title}, ${plan.hospital}`} max={200} />
          </strong>
          , version <Plain text={plan.version} max={40} />{' '}
          <span className={`mark ${plan.approved ? 'stage-read' : 'reconcile-decision'}`}>{plan.approved ? 'approved by both sides' : 'not approved'}</span>
        </p>
      )}
      {plan && <Signatures plan={plan} />}
      {findings && <Services assessment={findings} names={plan ? serviceNames(plan) : {}} />}
      {plan && <Objectives objectives={plan.objectives} />}
      {findings && <Drills drills={findings.drills} />}
      {findings && <Findings findings={openFindings(findings.findings)} broken={findings.broken_rules} />}
    </main>
  );
}

function serviceNames(plan: PlanDocument): Record<string, string> {
  return Object.fromEntries(plan.objectives.map((one) => [one.service, one.name]));
}

function HowToBegin({ consoleKey }: { consoleKey: string }) {
  return (
    <main className="page plan">
      <h1>Recovery plan</h1>
      <div className="empty how-to">
        <p>This Safelight was not told of a plan.</p>
        <p>On its machine, write one, or begin with an example:</p>
        <pre>safelight plan init /srv/plan --from 400-bed</pre>
        <p>Then name its folder in safelight.toml, and restart serve:</p>
        <pre>{'[plan]\nfolder = "/srv/plan"'}</pre>
        <ConsoleKey value={consoleKey} />
      </div>
    </main>
  );
}

function ConsoleKey({ value }: { value: string }) {
  return (
    <p>
      To sign here, the plan names this Safelight in its header: <code className="key">console_key: &quot;{value}&quot;</code>, and at each person who signs <code>account: NAME</code>.
    </p>
  );
}

/** Where the mistake stands and how to mend it: whoever looks here may be who wrote it. */
function Mistake({ error }: { error: Error | null }) {
  if (!(error instanceof Refused) || error.code !== 'plan.bad-plan') return null;
  return (
    <p className="notice">
      <strong>{String(error.facts['where'] ?? '')}</strong> <Plain text={String(error.facts['what'] ?? '')} /> <Plain text={String(error.facts['mend'] ?? '')} />
    </p>
  );
}

function Signatures({ plan }: { plan: PlanDocument }) {
  const { me } = useSession();
  const now = useNow();
  const [signs, setSigns] = useState<PlanSide | null>(null);
  const [told, setTold] = useState('');
  const isBound = plan.signs_here && PLAN_SIDES.some(([side]) => plan.sides[side].signers.length > 0);
  return (
    <section aria-label="Signatures">
      <h2>Signatures</h2>
      <p className="told" role="status">
        {told}
      </p>
      <div className="side-cards">
        {PLAN_SIDES.map(([side, words]) => {
          const { unsigned, signatures, signers } = plan.sides[side];
          const mine = plan.signs_here ? signers.find((one) => one.account === me.account) : undefined;
          const last = signatures.at(-1);
          return (
            <article key={side} className="one-exam" aria-label={words}>
              <h3>
                {words} <span className={`mark ${unsigned === 0 ? 'stage-read' : 'reconcile-decision'}`}>{unsigned === 0 ? 'signed as it is' : `${unsigned} parts to sign`}</span>
              </h3>
              {last ? (
                <p>
                  Last by <Plain text={last.name} max={100} />, {when(last.at, now)}, {last.account ? 'by login here' : 'by own key'}
                  {last.reason && (
                    <>
                      : <Plain text={last.reason} max={300} />
                    </>
                  )}
                </p>
              ) : (
                <p>Nobody has signed for this side yet.</p>
              )}
              {unsigned > 0 && unsigned <= 12 && (
                <p className="second">
                  <Plain text={plan.unsigned[side].join(', ')} max={800} />
                </p>
              )}
              {mine && unsigned > 0 && (
                <div className="acts">
                  <button type="button" className="primary" onClick={() => setSigns(side)}>
                    Sign for {words}…
                  </button>
                </div>
              )}
              {!mine && unsigned > 0 && signers.length > 0 && plan.signs_here && (
                <p className="second">
                  Signs here: <Plain text={signers.map((one) => one.name).join(', ')} max={300} />
                </p>
              )}
            </article>
          );
        })}
      </div>
      {plan.refused.map((why) => (
        <p key={why} className="speaks-against">
          A signature does not count: <Plain text={why} max={300} />
        </p>
      ))}
      {!isBound && <ConsoleKey value={plan.console_key} />}
      {signs && (
        <SignDialog plan={plan} side={signs} onClose={() => setSigns(null)}
          onDone={(words) => { setTold(words); setSigns(null); }} />
      )}
    </section>
  );
}

/** Of each clinical service what blocks it first, and who must act: never one number for all. */
function Services({ assessment, names }: { assessment: Assessment; names: Readonly<Record<string, string>> }) {
  return (
    <section aria-label="What blocks each service first">
      <h2>What blocks each service first</h2>
      <table className="rows">
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col">First in the way</th>
            <th scope="col">IT must</th>
            <th scope="col">Radiology must</th>
          </tr>
        </thead>
        <tbody>
          {byService(assessment.services).map(({ service, first_blocking: first }) => (
            <tr key={service}>
              <td>
                <strong>
                  <Plain text={names[service] ?? service} max={80} />
                </strong>
              </td>
              {first ? (
                <>
                  <td>
                    <Severity finding={first} /> <Plain text={first.title} max={200} />
                    <span className="second">
                      <Plain text={first.what} max={300} />
                    </span>
                  </td>
                  <td>
                    <Plain text={first.it} max={300} />
                  </td>
                  <td>
                    <Plain text={first.radiology} max={300} />
                  </td>
                </>
              ) : (
                <td colSpan={3}>Nothing of its own; see the findings below</td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Severity({ finding }: { finding: Finding }) {
  return (
    <span className={`mark severity-${finding.severity}`}>
      {finding.rule} {finding.severity}
    </span>
  );
}

const VALUES = [['tolerance', 'Radiology bears'], ['capability', 'IT says'], ['estimate', 'Estimate'], ['measurement', 'Measured']] as const;

/** What radiology bears beside what IT says, computes to, and was measured, in time and in data; what is beyond tolerance says so. */
function Objectives({ objectives }: { objectives: readonly Objective[] }) {
  return (
    <section aria-label="Both sides, value by value">
      <h2>Both sides, value by value</h2>
      <table className="rows objectives">
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col">Disruption</th>
            {VALUES.map(([name, words]) => (
              <th key={name} scope="col">
                {words}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {objectives.map((one) => (
            <tr key={`${one.service} ${one.disruption}`}>
              <td>
                <strong>
                  <Plain text={one.name} max={80} />
                </strong>
              </td>
              <td className="inline">{one.disruption}</td>
              {VALUES.map(([name, words]) => (
                <Value key={name} objective={one} name={name} words={words} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** One of the four: how long it takes, and below it how much time of data is lost. */
function Value({ objective, name, words }: { objective: Objective; name: (typeof VALUES)[number][0]; words: string }) {
  const isLong = objective.beyond_tolerance.includes(name);
  const isMuch = objective.beyond_tolerance.includes(`rpo-${name}`);
  return (
    <td className={isLong || isMuch ? 'is-beyond' : ''}>
      <span className="only-narrow">{words}: </span>
      {objective[name] ?? 'unknown'}
      {isLong && <span className="side-note">too long</span>}
      <span className="second">
        loss: {objective[`rpo_${name}`] ?? 'unknown'}
        {isMuch && <span className="side-note">too much</span>}
      </span>
    </td>
  );
}

function Drills({ drills }: { drills: readonly DueDrill[] }) {
  return (
    <section aria-label="Drills">
      <h2>Drills</h2>
      {drills.length === 0 && <p className="empty">The plan names no rehearsal.</p>}
      {drills.length > 0 && (
        <table className="rows">
          <thead>
            <tr>
              <th scope="col">Rehearsal</th>
              <th scope="col">Owner</th>
              <th scope="col">Due</th>
              <th scope="col">How it stands</th>
            </tr>
          </thead>
          <tbody>
            {drills.map((one) => (
              <tr key={one.rehearsal}>
                <td>
                  <strong>
                    <Plain text={one.rehearsal} max={80} />
                  </strong>
                  <span className="second">
                    {one.type}, {one.disruption}
                  </span>
                </td>
                <td className="inline">
                  <Plain text={one.owner} max={80} />
                </td>
                <td className="inline">
                  {one.due_on ?? 'now'} {one.overdue && <span className="mark severity-critical">overdue</span>}
                </td>
                <td>
                  <span className={`mark colour-${one.colour}`}>{one.colour}</span> <Plain text={one.why} max={300} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Findings({ findings, broken }: { findings: readonly Finding[]; broken: Assessment['broken_rules'] }) {
  return (
    <section aria-label="Findings">
      <h2>{findings.length} findings</h2>
      {broken.map((one) => (
        <p key={one.rule} className="speaks-against">
          Rule {one.rule} failed: <Plain text={one.trouble} max={300} />
        </p>
      ))}
      <ul className="findings">
        {findings.map((one) => (
          <li key={`${one.rule} ${one.subject} ${one.what}`}>
            <details>
              <summary>
                <Severity finding={one} /> {one.state !== 'open' && <span className="mark">{one.state}</span>} <Plain text={one.what} max={300} />
              </summary>
              <p>
                <strong>IT:</strong> <Plain text={one.it} max={400} />
              </p>
              <p>
                <strong>Radiology:</strong> <Plain text={one.radiology} max={400} />
              </p>
              <p className="second">
                <Plain text={[one.title, one.where, one.owner && `${one.owner}, until ${one.until ?? ''}`].filter(Boolean).join(' · ')} />
              </p>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}
