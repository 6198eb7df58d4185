// Logging in: as a page, or over a page whose session ended.

import { useState, type FormEvent } from 'react';
import { post } from '../api/call';
import type { Me, Site } from '../api/documents';
import { Dialog } from '../parts/act';
import { Field, Tick } from '../parts/field';
import { Notice } from '../parts/notice';
import { Plain } from '../parts/plain';

export function LoginPage({ site, onDone }: { site: Site; onDone: (me: Me) => void }) {
  return (
    <main className="alone login">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>
        <Plain text={site.site} max={80} />
      </h1>
      <p className="quiet-words">Safelight: radiology while its systems are away</p>
      {site.has_accounts ? (
        <LoginForm onDone={onDone} offersBoard />
      ) : (
        <div className="notice" role="alert">
          <p className="notice-reason">There is no account yet, so nobody can log in.</p>
          <p className="notice-hint">On the machine that runs Safelight: safelight console account add</p>
        </div>
      )}
    </main>
  );
}

export function LoginDialog({ account, onDone }: { site: Site; account: string; onDone: (me: Me) => void }) {
  return (
    <Dialog title="The session has ended" onClose={() => undefined}>
      <p>What is on the screen stays. Log in again to go on.</p>
      <LoginForm account={account} onDone={onDone} />
    </Dialog>
  );
}

function LoginForm({ account: known = '', offersBoard, onDone }: { account?: string; offersBoard?: boolean; onDone: (me: Me) => void }) {
  const [account, setAccount] = useState(known);
  const [password, setPassword] = useState('');
  const [board, setBoard] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);

  const login = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setIsBusy(true);
    setError(null);
    try {
      onDone(await post<Me>('login', { account, password, board }));
    } catch (failure) {
      setError(failure as Error);
      setPassword('');
    }
    setIsBusy(false);
  };

  return (
    <form onSubmit={(event) => void login(event)} className="login-form">
      <Field label="Account" value={account} onChange={setAccount} required autoFocus={known === ''} autoComplete="username" maxLength={200} wide />
      <Field label="Password" type="password" value={password} onChange={setPassword} required autoFocus={known !== ''} autoComplete="current-password"
        maxLength={1000} wide />
      {offersBoard && <Tick label="This is a screen on the wall: show lists only, and stay" checked={board} onChange={setBoard} />}
      <Notice error={error} />
      <button type="submit" className="primary" aria-busy={isBusy}>
        {isBusy ? 'Logging in…' : 'Log in'}
      </button>
    </form>
  );
}
