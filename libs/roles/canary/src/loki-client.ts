/** Loki's HTTP API as the canary uses it, with retries at another address. */
import type { HttpClient, HttpClientTls, Timers } from '@loki/ports';

/** Bound on the bytes of an answer: a page of entries with long lines. */
const answerBytesMax = 64 << 20;

interface LokiClientOptions {
  readonly http: HttpClient;
  readonly timers: Timers;
  /** `http://host:port` each; requests use them in turn, a retry uses another one. */
  readonly addresses: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: HttpClientTls;
  readonly writeTimeoutMs: number;
  readonly queryTimeoutMs: number;
  /** Pause before a retry. */
  readonly retryAfterMs: number;
}

/** The answer to one request; status 0: no answer, `text` has the reason. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly address: string;
}

export interface Entry {
  readonly ns: bigint;
  readonly line: string;
}

/** All attempts of one request; the last one decides. */
interface Attempts {
  readonly answer: Answer;
  readonly failures: readonly Answer[];
}

/** Loki's HTTP API as the canary uses it. */
export class LokiClient {
  readonly #options: LokiClientOptions;
  #next = 0;

  constructor(options: LokiClientOptions) {
    this.#options = options;
  }

  /** Pushes once, without retries. */
  push(body: string, address = this.nextAddress()): Promise<Answer> {
    const timeoutMs = this.#options.writeTimeoutMs;
    return this.#send(address, '/loki/api/v1/push', { timeoutMs, body: Buffer.from(body) });
  }

  /** One GET without retries. */
  get(
    path: string,
    query: Readonly<Record<string, string>>,
    options: { readonly address?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Answer> {
    const { address = this.nextAddress(), headers } = options;
    const search = new URLSearchParams(query).toString();
    return this.#send(address, `${path}?${search}`, { timeoutMs: this.#options.queryTimeoutMs, headers });
  }

  nextAddress(): string {
    const { addresses } = this.#options;
    const address = addresses[this.#next % addresses.length];
    this.#next = (this.#next + 1) % addresses.length;
    return address;
  }

  /**
   * Repeats a request without an answer, or with 5xx or 429, at another address each time.
   *
   * @param attemptsMax at least 1
   */
  async withRetry(attempt: (address: string) => Promise<Answer>, attemptsMax: number): Promise<Attempts> {
    const failures: Answer[] = [];
    const { addresses, timers, retryAfterMs } = this.#options;
    let at = addresses.indexOf(this.nextAddress());
    for (;;) {
      const answer = await attempt(addresses[at]);
      if (!isFailure(answer)) return { answer, failures };
      failures.push(answer);
      if (failures.length >= attemptsMax) return { answer, failures };
      at = (at + 1) % addresses.length;
      await timers.sleep(retryAfterMs);
    }
  }

  async #send(
    address: string,
    path: string,
    request: {
      readonly timeoutMs: number;
      readonly body?: Uint8Array;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<Answer> {
    const { http, tls } = this.#options;
    const { timeoutMs, body } = request;
    const headers = { ...this.#options.headers, ...request.headers };
    try {
      const answer = await http.send({
        method: body ? 'POST' : 'GET',
        url: `${address}${path}`,
        headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
        timeoutMs,
        answerBytesMax,
        ...(body ? { body } : {}),
        ...(tls ? { tls } : {}),
      });
      return { status: answer.status, text: answer.body.toString(), address };
    } catch (error) {
      return { status: 0, text: error instanceof Error ? error.message : String(error), address };
    }
  }
}

/** True if there was no answer, or if a retry may get another one. */
export function isFailure({ status }: Answer): boolean {
  return status === 0 || status === 429 || status >= 500;
}

/** The entries of a `streams` answer, in its order within each stream. */
export function entriesOf(text: string): Entry[] {
  const answer = JSON.parse(text) as { data: { result: { values: [string, string][] }[] } };
  return answer.data.result.flatMap(({ values }) => values.map(([ns, line]) => ({ ns: BigInt(ns), line })));
}

/** The single value of a `vector` answer; 0 if it has no series. */
export function valueOf(text: string): number {
  const answer = JSON.parse(text) as { data: { result: { value: [number, string] }[] } };
  return answer.data.result.reduce((sum, { value }) => sum + Number(value[1]), 0);
}
