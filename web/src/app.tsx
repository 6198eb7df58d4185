// From nobody to somebody at the screen, and from the address to the page.

import { useCallback, useEffect, useMemo, useState } from 'react';
import { get, Refused } from './api/call';
import type { Me, Site } from './api/documents';
import { LiveDocuments } from './api/live';
import { Board } from './board/board';
import { Find } from './find/find';
import { LoginDialog, LoginPage } from './login/login';
import { Notice } from './parts/notice';
import { Reconciliation } from './reconciliation/reconciliation';
import { Plan } from './plan/plan';
import { Reads } from './reads/reads';
import { Link, usePath } from './route';
import { SessionContext, type Session } from './session';
import { Shell } from './shell';
import { Worklist } from './worklist/worklist';

const AGAIN_MILLISECONDS = 3_000;

export function App() {
  const [site, setSite] = useState<Site | null>(null);
  const [me, setMe] = useState<Me | null>(null);
  const [round, setRound] = useState(0);
  const [mustLogIn, setMustLogIn] = useState(false);
  const [error, setError] = useState<Error | null>(null);

  const begin = useCallback(async () => {
    try {
      setSite(await get<Site>('site', {}, true));
      setMe(await get<Me>('me', {}, true));
      setError(null);
    } catch (failure) {
      if (failure instanceof Refused && failure.status === 401) setMustLogIn(true);
      else setError(failure as Error);
    }
  }, []);

  useEffect(() => void begin(), [begin]);
  useEffect(() => {
    // A screen that is switched on before `serve` gets there by itself.
    if (error === null) return undefined;
    const timer = setTimeout(() => void begin(), AGAIN_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [error, begin]);

  const loggedIn = useCallback((told: Me) => {
    const then = afterLogin();
    if (then) window.location.replace(then);
    setMe(told);
    setMustLogIn(false);
    setRound((before) => before + 1);
  }, []);
  const end = useCallback(() => {
    setMustLogIn(true);
    setMe(null);
  }, []);
  const sessionEnded = useCallback(() => setMustLogIn(true), []);
  const session = useMemo<Session | null>(() => (site && me ? { site, me, end } : null), [site, me, end]);

  if (site === null) {
    return (
      <main className="alone">
        {error ? <Notice error={error} onRetry={() => void begin()} /> : <p className="quiet-words">Safelight…</p>}
      </main>
    );
  }
  if (session === null) return mustLogIn ? <LoginPage site={site} onDone={loggedIn} /> : <main className="alone" />;
  return (
    <SessionContext value={session}>
      <LiveDocuments round={round} onSessionEnded={sessionEnded}>
        <Shell>
          <Page />
        </Shell>
        {/* Over what is on the screen: nobody loses a read that they were writing. */}
        {mustLogIn && <LoginDialog site={site} account={session.me.account} onDone={loggedIn} />}
      </LiveDocuments>
    </SessionContext>
  );
}

/** Where the viewer sent somebody from who was not logged in; only ever the viewer. */
function afterLogin(): string | null {
  const then = new URLSearchParams(window.location.search).get('then');
  return then?.startsWith('/viewer/') ? then : null;
}

function Page() {
  switch (usePath()) {
    case '/':
    case '/board':
      return <Board />;
    case '/worklist':
      return <Worklist />;
    case '/reads':
      return <Reads />;
    case '/reconciliation':
      return <Reconciliation />;
    case '/plan':
      return <Plan />;
    case '/find':
      return <Find />;
    default:
      return (
        <main className="alone">
          <h1>There is no such page</h1>
          <p>
            <Link to="/board">To the downtime board</Link>
          </p>
        </main>
      );
  }
}
