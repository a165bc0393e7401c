/** A client of the system while its pods come and go: numbered lines in, queries, one retry each. */

const tenant = 'whizard-logs-ks';
const everyMs = 100;
const retryAfterMs = 500;
const requestTimeoutMs = 10_000;
const selector = '{app="traffic"}';

export class Traffic {
  readonly #url: string;
  #written = 0;
  #retries = 0;
  readonly #failures: string[] = [];
  #isStopped = false;
  #loop: Promise<void> | undefined;

  /** @param url  of the gateway's Service */
  constructor(url: string) {
    this.#url = url;
  }

  get failures(): readonly string[] {
    return this.#failures;
  }

  get summary(): string {
    return `${this.#written} lines, ${this.#retries} retries, ${this.#failures.length} failures ${this.#failures.slice(0, 3).join('; ')}`;
  }

  start(): void {
    this.#isStopped = false;
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
  }

  /** Numbers of lines that are missing, and of those that are there more than once. */
  async judge(): Promise<{ readonly missing: number; readonly doubled: number; readonly total: number }> {
    const times = new Map<string, number>();
    const startNs = BigInt(Date.now() - 3_600_000) * 1_000_000n;
    const parameters = new URLSearchParams({
      query: selector,
      limit: '5000',
      start: String(startNs),
      direction: 'forward',
    });
    const response = await this.#request('GET', `/loki/api/v1/query_range?${parameters.toString()}`);
    const body = JSON.parse(response) as {
      readonly data: { readonly result: readonly { readonly values: readonly (readonly string[])[] }[] };
    };
    for (const { values } of body.data.result) {
      for (const [, line] of values) times.set(line, (times.get(line) ?? 0) + 1);
    }
    let missing = 0;
    for (let number = 0; number < this.#written; number++) if (!times.has(lineOf(number))) missing++;
    return {
      missing,
      doubled: [...times.values()].filter((count) => count > 1).length,
      total: this.#written,
    };
  }

  async #run(): Promise<void> {
    for (; !this.#isStopped; await sleep(everyMs)) {
      const values = [[`${Date.now()}000000`, lineOf(this.#written)]];
      const body = JSON.stringify({ streams: [{ stream: { app: 'traffic' }, values }] });
      const isWritten = await this.#attempt('push', () => this.#request('POST', '/loki/api/v1/push', body));
      if (isWritten) this.#written++;
      if (this.#written % 5 !== 0) continue;
      const query = encodeURIComponent(`sum(count_over_time(${selector}[5m]))`);
      await this.#attempt('query', () => this.#request('GET', `/loki/api/v1/query?query=${query}`));
    }
  }

  /** @returns whether the first or the second try was good */
  async #attempt(name: string, request: () => Promise<string>): Promise<boolean> {
    try {
      await request();
      return true;
    } catch {
      this.#retries++;
      await sleep(retryAfterMs);
    }
    try {
      await request();
      return true;
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
      this.#failures.push(`${name}: ${String(error)}${cause}`);
      return false;
    }
  }

  async #request(method: string, path: string, body?: string): Promise<string> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      body,
      headers: { 'X-Scope-OrgID': tenant, ...(body ? { 'content-type': 'application/json' } : {}) },
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text.slice(0, 200)}`);
    return text;
  }
}

function lineOf(number: number): string {
  return `line ${number}`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
