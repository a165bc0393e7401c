/** Protects: rules evaluate as a recorded Prometheus and Loki do. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LokiError, parseTenantId } from '@loki/model';
import type { HttpRequest, HttpResponse } from '@loki/ports';
import { PrometheusRuleApi } from './prometheus-api.ts';
import { RuleConfigApi } from './rule-config-api.ts';
import { limitsOf, RulerWorld, sample } from './test/world.ts';

// Protects the rules API: Loki's recorded answers to these requests are the oracle.

interface RecordedStep {
  readonly request: { method?: string; path: string; body?: string; headers?: Record<string, string> };
  readonly retry?: { readonly times: number; readonly everyMs: number; readonly until: string };
  readonly mask?: [string, string][];
  readonly expected: {
    readonly status?: number;
    readonly statusIn?: number[];
    readonly contentType?: string;
    readonly text?: string;
    readonly json?: unknown;
  };
}

interface RecordedCase {
  readonly id: string;
  readonly desc: string;
  readonly tenant: string;
  readonly steps: readonly RecordedStep[];
}

const cases = readFileSync(join(import.meta.dirname, 'testdata/recorded-rules.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as RecordedCase);

class Server {
  readonly world = new RulerWorld();
  readonly #ruler = this.world.ruler({ pollIntervalMs: 5000 });
  readonly #config = new RuleConfigApi({
    store: this.world.store,
    limits: limitsOf({ 'rules-limited': { rules: 2, groups: 2 } }),
    ruler: this.#ruler,
  });
  readonly #prometheus = new PrometheusRuleApi({ ruler: this.#ruler });

  start(): Promise<void> {
    return this.world.do(this.#ruler.start());
  }

  async answer(tenantText: string, step: RecordedStep['request']): Promise<HttpResponse> {
    const tenant = parseTenantId(tenantText);
    const method = step.method ?? 'GET';
    const segments = step.path.split('/').slice(1).map(decodeURIComponent);
    const names = segments.slice(segments.indexOf('rules') + 1);
    const request: HttpRequest = {
      method,
      path: step.path,
      params: new Map(names.map((name, i) => [i === 0 ? 'namespace' : 'groupname', name])),
      queryText: '',
      headers: new Map(
        Object.entries(step.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
      ),
      body: Buffer.from(step.body ?? ''),
      remoteAddress: '',
      signal: new AbortController().signal,
    };
    try {
      return await this.world.do(this.#route(tenant, request, names.length));
    } catch (error) {
      if (!(error instanceof LokiError)) throw error;
      return {
        status: error.status,
        headers: { 'content-type': 'text/plain;charset=utf-8' },
        body: `${error.message}\n`,
      };
    }
  }

  #route(
    tenant: ReturnType<typeof parseTenantId>,
    request: HttpRequest,
    names: number,
  ): Promise<HttpResponse> {
    if (request.path === '/prometheus/api/v1/rules') return this.#prometheus.rules(tenant, request);
    if (request.path === '/prometheus/api/v1/alerts') return this.#prometheus.alerts(tenant, request);
    if (names === 2 && request.method === 'DELETE') return this.#config.deleteGroup(tenant, request);
    if (names === 2) return this.#config.get(tenant, request);
    if (request.method === 'POST') return this.#config.create(tenant, request);
    if (request.method === 'DELETE') return this.#config.deleteNamespace(tenant, request);
    return this.#config.list(tenant, request);
  }
}

test.each(cases.map((each) => [each.desc, each] as const))('%s', async (_desc, { tenant, steps }) => {
  const server = new Server();
  server.world.results.set('vector(3) > 1', [sample(3)]);
  await server.start();
  for (const { request, expected, retry, mask } of steps) {
    let answer = await server.answer(tenant, request);
    for (let i = 0; retry && i < retry.times && !String(answer.body).includes(retry.until); i++) {
      await server.world.pass(retry.everyMs);
      answer = await server.answer(tenant, request);
    }
    if (expected.statusIn) expect(expected.statusIn).toContain(answer.status);
    else expect(answer.status).toBe(expected.status);
    if (expected.contentType) expect(answer.headers?.['content-type']).toBe(expected.contentType);
    let text = String(answer.body).trimEnd();
    for (const [pattern, by] of mask ?? []) text = text.replaceAll(new RegExp(pattern, 'g'), by);
    if (expected.text !== undefined) expect(text).toBe(expected.text);
    if (expected.json !== undefined) expect(JSON.parse(text)).toEqual(expected.json);
  }
});
