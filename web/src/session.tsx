// Who is at the screen, and what they may do.

import { createContext, useContext } from 'react';
import type { Me, Right, Site } from './api/documents';

export interface Session {
  readonly site: Site;
  readonly me: Me;
  end(): void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('useSession outside of a session');
  return session;
}

const NEEDED: Readonly<Record<Right, string>> = {
  look: 'Needs an account.',
  find: 'Needs an account that may see images; this screen may only show lists.',
  prepare: 'Needs the role technologist or PACS administrator.',
  examine: 'Needs the role technologist or PACS administrator.',
  declare: 'Needs the role technologist or PACS administrator.',
  store: 'Needs the role technologist or PACS administrator.',
  conclude: 'Needs the role PACS administrator.',
  plan: 'Needs an account of a person; this screen may only show lists.',
  reconcile: 'Needs the role PACS administrator.',
};

/** Why something cannot be done by whoever is here, or nothing. */
export function useWhyNot(right: Right): string {
  const { me } = useSession();
  return me.rights.includes(right) ? '' : NEEDED[right];
}

/** Whether acts must say who does them: a shared account, or a home without accounts. */
export function useAsksForName(): boolean {
  const { me } = useSession();
  return me.shared || me.login === 'none';
}
