/** All activities of clients, at once and without end: the load of a soak. */
import http from 'node:http';

const dayMs = 24 * 3_600_000;
/** Streams live this long, then others replace them. */
const rotateMs = 20_000;
const apps = ['shop', 'cart', 'mail', 'search'];
const podsPerApp = 5;
const linesPerPush = 100;
const pushEveryMs = 100;
/** Lines of this tenant are a few minutes younger than its retention: they expire during the run. */
const agedTenant = 'aged';
const agedByMs = dayMs - 3 * 60_000;
const tenant = 'soak';
const timeoutMs = 30_000;

const words = ['GET', 'POST', 'order', 'cache', 'timeout', 'retry', 'ok', 'failed', 'shard', 'commit'];

const rules = `name: soak
interval: 5s
rules:
- record: app:lines:rate1m
  expr: sum by (app) (rate({app=~".+"}[1m]))
- alert: Failures
  expr: sum by (app) (count_over_time({app=~".+"} |= "failed" [1m])) > 10
  labels: {severity: page}
  annotations: {summary: '{{ $value }} failures in {{ $labels.app }}'}
`;

/** Clients of one process. Construct, `start`, `stop`. */
export class Traffic {
  /** Number of actions of each kind, and of failures. */
  readonly done = { pushes: 0, lines: 0, queries: 0, deletes: 0, failures: 0 };
  /** The first failures, in words. */
  readonly failures: string[] = [];
  readonly #url: string;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  readonly #timers: NodeJS.Timeout[] = [];
  #number = 0;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    await this.#ask('POST', '/loki/api/v1/rules/soak', { body: rules, type: 'application/yaml' });
    this.#every(pushEveryMs, () => this.#push());
    this.#every(1_000, () => this.#pushAged());
    this.#every(250, () => this.#query());
    this.#every(rotateMs, () => this.#delete());
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#agent.destroy();
  }

  /** Lines that a query counts. */
  async count(query: string, of: 'soak' | 'aged' = tenant): Promise<number> {
    const text = await this.#ask('GET', `/loki/api/v1/query?${searchOf({ query })}`, { of });
    const answer = JSON.parse(text) as { data: { result: { value: [number, string] }[] } };
    return answer.data.result.reduce((sum, { value }) => sum + Number(value[1]), 0);
  }

  #every(ms: number, work: () => Promise<unknown>): void {
    this.#timers.push(
      setInterval(() => {
        work().catch((error: unknown) => {
          this.done.failures += 1;
          if (this.failures.length < 20) this.failures.push(String(error));
        });
      }, ms),
    );
  }

  async #push(): Promise<void> {
    const app = apps[this.#number % apps.length];
    const pods = Array.from({ length: podsPerApp }, (_, i) => podAt(Date.now(), i));
    const streams = pods.map((pod) => ({
      stream: { app, pod },
      values: this.#lines(linesPerPush / podsPerApp, Date.now()),
    }));
    await this.#ask('POST', '/loki/api/v1/push', { body: JSON.stringify({ streams }) });
    this.done.pushes += 1;
    this.done.lines += linesPerPush;
  }

  async #pushAged(): Promise<void> {
    const stream = { app: 'aged', pod: podAt(Date.now(), 0) };
    const streams = [{ stream, values: this.#lines(linesPerPush, Date.now() - agedByMs) }];
    await this.#ask('POST', '/loki/api/v1/push', { body: JSON.stringify({ streams }), of: agedTenant });
    this.done.lines += linesPerPush;
  }

  #lines(count: number, ms: number): [string, string][] {
    return Array.from({ length: count }, () => {
      const n = this.#number++;
      const text = `level=${n % 9 === 0 ? 'error' : 'info'} n=${n} msg="${words[n % 10]} ${words[(n * 7) % 10]} ${(n * 2_654_435_761) % 99_991}"`;
      return [String(BigInt(ms) * 1_000_000n + BigInt(n % 1_000_000)), text];
    });
  }

  /** Kinds in turn. */
  async #query(): Promise<void> {
    const now = Date.now();
    const range = { start: `${now - 600_000}000000`, end: `${now}000000` };
    const kinds: [string, Record<string, string>][] = [
      ['query_range', { ...range, query: '{app="shop"} |= "failed"', limit: '100' }],
      ['query_range', { ...range, query: 'sum by (app) (rate({app=~".+"}[1m]))', step: '15' }],
      [
        'query_range',
        {
          ...range,
          query: 'topk(3, sum by (msg) (count_over_time({app="cart"} | logfmt [1m])))',
          step: '60',
        },
      ],
      ['labels', range],
      ['label/pod/values', range],
      ['series', { ...range, 'match[]': '{app="mail"}' }],
      ['index/volume', { ...range, query: '{app=~".+"}' }],
      ['detected_fields', { ...range, query: '{app="search"}' }],
    ];
    const [path, query] = kinds[this.done.queries++ % kinds.length];
    await this.#ask('GET', `/loki/api/v1/${path}?${searchOf(query)}`);
  }

  /** Streams that have ended: one pod of all apps. */
  async #delete(): Promise<void> {
    const now = Date.now();
    const query = `{pod="${podAt(now - 2 * rotateMs, 0)}"}`;
    const [start, end] = [now - 6 * rotateMs, now].map((ms) => String(Math.floor(ms / 1000)));
    await this.#ask('POST', `/loki/api/v1/delete?${searchOf({ query, start, end })}`);
    this.done.deletes += 1;
  }

  #ask(
    method: string,
    path: string,
    { body, type = 'application/json', of = tenant }: { body?: string; type?: string; of?: string } = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { 'x-scope-orgid': of, ...(body ? { 'content-type': type } : {}) };
      const options = { method, agent: this.#agent, headers, timeout: timeoutMs };
      const outgoing = http.request(this.#url + path, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode! < 300) return resolve(text);
          const reason = `${response.statusCode} ${text.slice(0, 200)}`;
          reject(new Error(`${method} ${path.slice(0, 60)}: ${reason}`));
        });
      });
      outgoing.once('timeout', () =>
        outgoing.destroy(new Error(`${method} ${path.slice(0, 60)}: no answer`)),
      );
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }
}

function searchOf(query: Readonly<Record<string, string>>): string {
  return new URLSearchParams(query).toString();
}

/** The name of a pod that writes at this time. */
function podAt(ms: number, number: number): string {
  return `pod-${Math.floor(ms / rotateMs)}-${number}`;
}

/** A pod whose lines a delete request has removed some time ago. */
export function deletedPod(ms: number): string {
  return podAt(ms - 8 * rotateMs, 0);
}
