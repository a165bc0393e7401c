/** Clients of the gateway: they push or query as fast as it answers. */

const tenant = 'whizard-logs-ks';
const timeoutMs = 60_000;
const pauseAfterFailureMs = 1_000;
const linesPerPush = 500;
const streams = 20;
const line = `level=info method=GET path=/cart/items status=200 duration=12ms ${'x'.repeat(100)}`;

export class Load {
  readonly #url: () => string | undefined;
  #isStopped = false;
  readonly #clients: Promise<void>[] = [];
  answered = 0;
  failed = 0;
  failure = '';

  /** @param url  of the gateway, once it is ready */
  constructor(url: () => string | undefined) {
    this.#url = url;
  }

  get clients(): number {
    return this.#clients.length;
  }

  add(kind: 'push' | 'query', clients: number, pauseMs: number): void {
    for (let i = 0; i < clients; i++) this.#clients.push(this.#run(kind, this.clients, pauseMs));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
  }

  async #run(kind: 'push' | 'query', client: number, pauseMs: number): Promise<void> {
    for (let number = 0; !this.#isStopped; number++) {
      try {
        await (kind === 'push' ? this.#push(client) : this.#query(client, number));
        this.answered++;
      } catch (error) {
        this.failed++;
        this.failure = String(error);
        await sleep(pauseAfterFailureMs);
      }
      await sleep(pauseMs);
    }
  }

  async #push(client: number): Promise<void> {
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    const values = Array.from({ length: linesPerPush / streams }, (_, i) => [
      String(nowNs + BigInt(i)),
      line,
    ]);
    const body = JSON.stringify({
      streams: Array.from({ length: streams }, (_, i) => ({
        stream: { app: 'scale', client: String(client), stream: String(i) },
        values,
      })),
    });
    await this.#request('/loki/api/v1/push', { method: 'POST', body });
  }

  /** Another text each time: no cache has the answer. */
  async #query(client: number, number: number): Promise<void> {
    const endMs = Date.now();
    const query = `sum by (stream) (count_over_time({app="scale"} |~ "p.th=.*status=[0-9]+ d.*ms x*$" != "${client}-${number}" [30s]))`;
    const parameters = new URLSearchParams({
      query,
      start: String(endMs / 1000 - 900),
      end: String(endMs / 1000),
      step: '15',
    });
    await this.#request(`/loki/api/v1/query_range?${parameters.toString()}`, {});
  }

  async #request(path: string, init: RequestInit): Promise<void> {
    const url = this.#url();
    if (url === undefined) throw new Error('no gateway is ready');
    const response = await fetch(`${url}${path}`, {
      ...init,
      headers: { 'x-scope-orgid': tenant, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text.slice(0, 200)}`);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
