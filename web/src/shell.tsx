// What stands around every page: where one is, whether it is live, who is here.

import { useState, type ReactNode } from 'react';
import { post } from './api/call';
import type { Downtime } from './api/documents';
import { useDocument, useLive } from './api/live';
import { Plain } from './parts/plain';
import { PhaseMark } from './parts/marks';
import { Link } from './route';
import { useSession } from './session';
import { chosenTheme, THEMES, wearTheme } from './theme';
import { shortened } from './words/text';
import { clock } from './words/time';

const PAGES = [
  ['/board', 'Board'],
  ['/worklist', 'Worklist'],
  ['/reads', 'Reads and calls'],
  ['/find', 'Find'],
  ['/reconciliation', 'Reconciliation'],
  ['/plan', 'Plan'],
] as const;

export function Shell({ children }: { children: ReactNode }) {
  const { site, me, end } = useSession();
  const { document } = useDocument<Downtime>('downtime/status');
  const logout = async (): Promise<void> => {
    await post('logout', {}).catch(() => undefined);
    end();
  };
  return (
    <div className="shell">
      {site.login === 'none' && (
        <p className="open-home" role="note">
          Open home: nobody logs in, everybody may do everything. For tests and rehearsal only.
        </p>
      )}
      <header className="top">
        <Link to="/board" className="name">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span className="name-words">
            <Plain text={site.site} max={60} />
          </span>
        </Link>
        <nav aria-label="Pages">
          {PAGES.map(([path, words]) => (
            <Link key={path} to={path}>
              {words}
            </Link>
          ))}
        </nav>
        <div className="top-right">
          {document && document.phase !== 'normal' && <PhaseMark phase={document.phase} />}
          <Connection />
          <ThemeChoice />
          {me.login === 'account' && <span className="me">{shortened(me.name, 24)}</span>}
          {me.login === 'account' && (
            <button type="button" className="quiet small" onClick={() => void logout()} title={`Log out ${me.name}`}>
              Log out
            </button>
          )}
        </div>
      </header>
      {children}
      <footer className="print-only">
        Printed {new Date().toLocaleString('sv-SE')} · {site.site} · {me.name}
      </footer>
    </div>
  );
}

/** Live, or since when not: never a page that looks live and is not. */
export function Connection() {
  const { state, asOf } = useLive();
  const words = asOf ? `as of ${clock(asOf)}` : 'no answer yet';
  if (state === 'live') {
    return (
      <span className="connection live" role="status">
        <span aria-hidden="true">●</span> Live
      </span>
    );
  }
  return (
    <span className={`connection ${state}`} role="status">
      <span aria-hidden="true">○</span> {state === 'lost' ? `${words}, no connection` : 'Connecting…'}
    </span>
  );
}

function ThemeChoice() {
  const [theme, setTheme] = useState(chosenTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
  const words = { system: 'Auto', light: 'Light', dark: 'Dark' }[theme];
  return (
    <button
      type="button"
      className="quiet small theme-choice"
      title={`Appearance: ${words}. Press for the next one.`}
      aria-label={`Appearance: ${words}`}
      onClick={() => {
        wearTheme(next);
        setTheme(next);
      }}
    >
      <span aria-hidden="true">◐</span> {words}
    </button>
  );
}
