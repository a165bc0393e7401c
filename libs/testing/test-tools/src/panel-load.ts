/** Each query of this tenant ends at its deadline. */
export const slowTenant = 'slow';
const tenant = 'panels';
const minuteNs = 60_000_000_000n;

/**
 * Creates activity for all metrics of a system: pushes in each form, queries of each kind, rules, deletes.
 */
export class PanelLoad {
  readonly #urls: readonly string[];
  #rounds = 0;

  /** @param urls of gateways, which are used in turn */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** Lines of two hours, and a rule group. */
  async prepare(): Promise<void> {
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    const values = Array.from({ length: 120 }, (_, i) => [
      String(nowNs - BigInt(120 - i) * minuteNs),
      `line ${i}`,
    ]);
    await this.#expect(204, '/loki/api/v1/push', pushOf(values));
    await this.#expect(202, '/loki/api/v1/rules/panels', {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: `name: panels
interval: 1s
rules:
  - {record: lines, expr: 'sum(count_over_time({app="panels"}[1m]))'}
`,
    });
    await this.#expect(204, '/flush', { method: 'POST' });
    await this.#expect(
      204,
      `/loki/api/v1/delete?${search({ query: '{app="panels"} |= "line 77"', start: '1700000000' })}`,
      {
        method: 'POST',
      },
    );
  }

  /** Sends each kind of request once to each gateway. */
  async round(): Promise<void> {
    for (let i = 0; i < this.#urls.length; i++) {
      this.#rounds++;
      await this.#pushes();
      await this.#questions();
      await this.#expect(204, '/flush', { method: 'POST' });
    }
  }

  async #pushes(): Promise<void> {
    const nowNs = String(BigInt(Date.now()) * 1_000_000n);
    await this.#expect(204, '/loki/api/v1/push', pushOf([[nowNs, 'a new line']]));
    await this.#expect(204, '/api/prom/push', pushOf([[nowNs, 'a line in the old way']]));
    await this.#expect(400, '/loki/api/v1/push', pushOf([['1', 'a line of 1970']]));
    const logRecords = [{ timeUnixNano: nowNs, body: { stringValue: 'a line by OTLP' } }];
    await this.#expect(204, '/otlp/v1/logs', json({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
  }

  async #questions(): Promise<void> {
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    const hour = { start: String(nowNs - 60n * minuteNs), end: String(nowNs) };
    const selector = { query: '{app="panels"}' };
    const counts = { query: 'sum(count_over_time({app="panels"}[1m]))' };
    // Old enough for the results cache; the same each time.
    const oldEnd = nowNs - (nowNs % (30n * minuteNs)) - 30n * minuteNs;
    const old = { start: String(oldEnd - 60n * minuteNs), end: String(oldEnd), step: '60' };
    const questions: [string, Record<string, string>][] = [
      ['query', counts],
      ['query_range', { ...selector, ...hour }],
      ['query_range', { ...counts, ...old }],
      ['labels', hour],
      ['label', hour],
      ['label/app/values', hour],
      ['series', { 'match[]': '{app="panels"}', ...hour }],
      ['index/stats', { ...selector, ...hour }],
      ['index/volume', { ...selector, ...hour }],
      ['index/volume_range', { ...selector, ...hour }],
      ['detected_labels', { ...selector, ...hour }],
      ['detected_fields', { ...selector, ...hour }],
      ['patterns', { ...selector, ...hour }],
    ];
    for (const [route, params] of questions) {
      await this.#expect(200, `/loki/api/v1/${route}?${search(params)}`);
    }
    const slowQuery = `/loki/api/v1/query_range?${search({ ...selector, ...hour })}`;
    await this.#expect(504, slowQuery, { headers: { 'X-Scope-OrgID': slowTenant } });
  }

  async #expect(status: number, pathAndQuery: string, init: RequestInit = {}): Promise<void> {
    const url = this.#urls[this.#rounds % this.#urls.length];
    const headers = { 'X-Scope-OrgID': tenant, ...(init.headers as Record<string, string>) };
    const response = await fetch(url + pathAndQuery, { ...init, headers });
    const text = await response.text();
    if (response.status !== status) throw new Error(`${pathAndQuery}: ${response.status} ${text}`);
  }
}

function search(params: Record<string, string>): string {
  return new URLSearchParams(params).toString();
}

function pushOf(values: string[][]): RequestInit {
  return json({ streams: [{ stream: { app: 'panels' }, values }] });
}

function json(body: unknown): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}
