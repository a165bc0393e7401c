/** Protects rules from the line that is pushed to the person who is called: real processes, real requests. */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { uncompressSync } from 'snappy';
import { TestServer } from './test/server.ts';

interface SentAlert {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly startsAt: string;
  readonly endsAt: string;
}

/** Takes what an Alertmanager and a Prometheus would get. */
class Receiver {
  readonly alerts: SentAlert[] = [];
  readonly written: string[] = [];
  readonly #server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (request.url === '/api/v2/alerts') this.alerts.push(...(JSON.parse(body.toString()) as SentAlert[]));
      if (request.url === '/api/v1/write') this.written.push(uncompressSync(body).toString('latin1'));
      response.end();
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const receiver = new Receiver();
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-rules-'));
let server: TestServer;

beforeAll(async () => {
  const url = await receiver.start();
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: false
ruler:
  alertmanager_url: ${url}
  external_labels: {cluster: c1}
  resend_delay: 1s
  remote_write:
    enabled: true
    clients:
      main: {url: '${url}/api/v1/write'}
`,
  );
  server = await TestServer.start([`-config.file=${file}`]);
});
afterAll(async () => {
  await server.dispose();
  receiver.stop();
  fs.rmSync(directory, { recursive: true });
});

const rules = `name: g
interval: 1s
rules:
- record: app:errors:count
  expr: sum by (app) (count_over_time({app="shop"} |= "error" [10m]))
- alert: Errors
  expr: sum by (app) (count_over_time({app="shop"} |= "error" [10m])) > 1
  labels: {severity: page}
  annotations: {summary: '{{ $value }} errors in {{ $labels.app }}'}
- alert: Selection
  expr: '{app="shop"}'
`;

interface RuleGroups {
  readonly data: {
    readonly groups: {
      readonly rules: {
        health: string;
        lastError: string;
        state?: string;
        alerts?: { activeAt: string }[];
      }[];
    }[];
  };
}

async function runningRules(): Promise<RuleGroups['data']['groups'][number]['rules']> {
  const { text } = await server.get('/prometheus/api/v1/rules');
  return (JSON.parse(text) as RuleGroups).data.groups[0]?.rules ?? [];
}

test('lines become a recorded series and an alert, which goes on over a restart', async () => {
  const now = BigInt(Date.now()) * 1_000_000n;
  const values = ['an error', 'all is well', 'another error'].map((line, i) => [`${now + BigInt(i)}`, line]);
  expect((await server.push({ streams: [{ stream: { app: 'shop' }, values }] })).status).toBe(204);
  const created = await fetch(`${server.url}/loki/api/v1/rules/ns`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: rules,
  });
  expect([created.status, await created.text()]).toEqual([
    202,
    '{"status":"success","data":null,"errorType":"","error":""}',
  ]);

  const alert = await server.eventually(() => receiver.alerts[0]);
  expect(alert).toMatchObject({
    labels: { alertname: 'Errors', app: 'shop', cluster: 'c1', severity: 'page' },
    annotations: { summary: '2 errors in shop' },
  });
  await server.eventually(() =>
    receiver.written.find((body) => body.includes('app:errors:count') && body.includes('shop')),
  );
  const [record, errors, selection] = await server.eventually(async () => {
    const found = await runningRules();
    return found.every(({ health }) => health !== 'unknown') && found.length >= 3 ? found : undefined;
  });
  expect(record).toMatchObject({ health: 'ok' });
  expect(errors).toMatchObject({ health: 'ok', state: 'firing' });
  expect(selection).toMatchObject({ health: 'err', lastError: 'rule result is not a vector or scalar' });

  // An evaluation counts once its alerts are saved; series may be written before.
  await server.eventually(async () => {
    const { text } = await server.get('/metrics');
    const evaluated = /^loki_prometheus_rule_group_last_evaluation_timestamp_seconds\{.*\} (\S+)$/m.exec(
      text,
    );
    return Number(evaluated?.[1]) * 1000 >= Date.parse(alert.startsAt);
  });
  await server.stop('SIGKILL');
  receiver.alerts.length = 0;
  await server.start();
  const again = await server.eventually(() => receiver.alerts[0]);
  expect(again.startsAt).toBe(alert.startsAt);
  const [, resumed] = await server.eventually(async () => {
    const found = await runningRules();
    return found[1]?.health === 'ok' ? found : undefined;
  });
  expect(resumed.alerts?.[0].activeAt).toBe(errors.alerts?.[0].activeAt);
  const { text } = await server.get('/metrics');
  expect(text).toMatch(/loki_prometheus_rule_group_rules\{user="fake",rule_group="[^"]*\/fake\/ns;g"\} 3/);
});
