// One request to the API, and what went wrong with it in the words of the command line.

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    reason: string,
    readonly hint: string,
    readonly facts: Readonly<Record<string, unknown>> = {},
    readonly retryAfter: number | null = null,
  ) {
    super(reason);
    this.name = 'Refused';
  }

  get endsSession(): boolean {
    return this.code === 'console.login-needed';
  }
}

/** Nobody answered: the network or `serve` is away. What was asked may have happened all the same. */
export class Unreachable extends Error {
  constructor() {
    super('No answer from Safelight.');
    this.name = 'Unreachable';
  }
}

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

const ANSWER_MILLISECONDS = 30_000;

export function address(path: string, query: Query = {}): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== '' && one !== false) asked.append(name, String(one));
    }
  }
  const text = asked.toString();
  return `/api/${path}${text ? `?${text}` : ''}`;
}

/** Fetch a document. `automatic` says that nobody pressed a button for it, so that it does not keep a session alive. */
export async function get<T>(path: string, query: Query = {}, automatic = false): Promise<T> {
  return answered<T>(address(path, query), { headers: automatic ? { 'Safelight-Automatic': '1' } : {} });
}

/** Do an act. The same key makes a repetition harmless after the network failed. */
export async function post<T>(path: string, body: Readonly<Record<string, unknown>>, key?: string, milliseconds?: number): Promise<T> {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' };
  if (key) headers['Idempotency-Key'] = key;
  return answered<T>(address(path), { method: 'POST', headers, body: JSON.stringify(body) }, milliseconds);
}

/** A key for one press of a button; `crypto.randomUUID` is not there over plain HTTP. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function answered<T>(url: string, init: RequestInit, milliseconds = ANSWER_MILLISECONDS): Promise<T> {
  let response: Response;
  let told: unknown;
  try {
    response = await fetch(url, { ...init, cache: 'no-store', signal: AbortSignal.timeout(milliseconds) });
    told = await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new Refused(502, 'console.not-json', 'The answer cannot be read.', 'Is another program between you and Safelight?');
    }
    throw new Unreachable();
  }
  if (!response.ok) throw refusal(response.status, told, response.headers.get('Retry-After'));
  return told as T;
}

export function refusal(status: number, told: unknown, retryAfter: string | null): Refused {
  const error = (told as { error?: Record<string, unknown> } | null)?.error ?? {};
  const seconds = Number(retryAfter);
  return new Refused(
    status,
    String(error['code'] ?? 'console.unknown'),
    String(error['reason'] ?? `Refused (${status}).`),
    String(error['hint'] ?? ''),
    (error['facts'] ?? {}) as Record<string, unknown>,
    retryAfter !== null && Number.isFinite(seconds) ? seconds : null,
  );
}
