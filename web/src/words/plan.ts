// The recovery plan in the order in which people must look at it. Pure.

import type { Assessment, Finding, PlanSide } from '../api/documents';

export const PLAN_SIDES: readonly (readonly [PlanSide, string])[] = [
  ['it', 'IT'],
  ['radiology', 'Radiology'],
];

const SEVERITIES: readonly Finding['severity'][] = ['critical', 'high', 'medium', 'low'];

type Standing = Assessment['services'][number];

/** The service with the gravest thing in its way first; one that nothing stands in the way of comes last. */
export function byService(services: readonly Standing[]): Standing[] {
  const rank = (one: Standing): number => (one.first_blocking ? SEVERITIES.indexOf(one.first_blocking.severity) : SEVERITIES.length);
  return [...services].sort((one, other) => rank(one) - rank(other) || one.service.localeCompare(other.service));
}

/** What is open, the gravest first; then what was decided about and is not forgotten. */
export function openFindings(findings: readonly Finding[]): Finding[] {
  const rank = (one: Finding): number => (one.state === 'open' ? 0 : SEVERITIES.length) + SEVERITIES.indexOf(one.severity);
  return [...findings].sort((one, other) => rank(one) - rank(other) || one.rule.localeCompare(other.rule));
}
