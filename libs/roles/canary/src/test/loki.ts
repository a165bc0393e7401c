/** Helper of canary tests: a Loki in memory with faults to switch on. */
import type { HttpClient, HttpClientRequest, HttpClientResponse } from '@loki/ports';

interface Stored {
  readonly stream: string;
  readonly ns: bigint;
  readonly line: string;
}

const oldNs = 8n * 24n * 3_600_000_000_000n;

/** A Loki in memory that answers the canary's requests, with faults to switch on. */
export class TestLoki implements HttpClient {
  readonly entries: Stored[] = [];
  /** Statuses of the next pushes, which are not stored; 0 closes the connection. */
  script: number[] = [];
  losesAnswers = false;
  storesRefused = false;
  failsQueries = false;
  /** One entry in this many is missing in answers. */
  hidesEvery = 0;
  pageMax = 5_000;
  readonly #keys = new Set<string>();

  send({ method, url, body }: HttpClientRequest): Promise<HttpClientResponse> {
    const { pathname, searchParams } = new URL(url);
    if (method === 'POST') return this.#push(Buffer.from(body!).toString());
    if (this.failsQueries) return answer(500, 'broken');
    return pathname.endsWith('/query_range') ? this.#range(searchParams) : this.#instant(searchParams);
  }

  #push(body: string): Promise<HttpClientResponse> {
    const scripted = this.script.shift();
    if (scripted === 0) return Promise.reject(new Error('cut'));
    if (scripted !== undefined) return answer(scripted, 'scripted');
    const { streams } = JSON.parse(body) as {
      streams: { stream: { s: string }; values: [string, string][] }[];
    };
    const entries = streams.flatMap(({ stream, values }) =>
      values.map(([ns, line]) => ({ stream: stream.s, ns: BigInt(ns), line })),
    );
    const isOld = entries.some(({ ns }) => ns < BigInt(Date.now()) * 1_000_000n - oldNs);
    if (!isOld || this.storesRefused) {
      this.entries.push(...entries.filter((entry) => !this.#keys.has(keyOf(entry))));
      for (const entry of entries) this.#keys.add(keyOf(entry));
    }
    if (isOld) return answer(400, 'too far behind');
    return this.losesAnswers ? Promise.reject(new Error('cut')) : answer(204, '');
  }

  #range(query: URLSearchParams): Promise<HttpClientResponse> {
    const stream = /s="(\d+)"/.exec(query.get('query')!)![1];
    const [start, end] = [BigInt(query.get('start')!), BigInt(query.get('end')!)];
    const limit = Math.min(Number(query.get('limit')), this.pageMax);
    const values = this.#visible()
      .filter((entry) => entry.stream === stream && entry.ns >= start && entry.ns < end)
      .slice(0, limit)
      .map(({ ns, line }) => [String(ns), line]);
    return answer(200, JSON.stringify({ data: { result: [{ values }] } }));
  }

  #instant(query: URLSearchParams): Promise<HttpClientResponse> {
    const [, stream, ms] = /s="(\d+)"\}\[(\d+)ms\]/.exec(query.get('query')!)!;
    const time = BigInt(query.get('time')!);
    const after = time - BigInt(ms) * 1_000_000n;
    const count = this.#visible().filter(
      (entry) => entry.stream === stream && entry.ns > after && entry.ns <= time,
    ).length;
    return answer(200, JSON.stringify({ data: { result: [{ value: [0, String(count)] }] } }));
  }

  #visible(): Stored[] {
    return this.entries.filter((_, i) => this.hidesEvery === 0 || i % this.hidesEvery !== 0);
  }
}

function keyOf({ stream, ns, line }: Stored): string {
  return `${stream} ${ns} ${line}`;
}

function answer(status: number, text: string): Promise<HttpClientResponse> {
  return Promise.resolve({ status, headers: new Map(), body: Buffer.from(text) });
}
