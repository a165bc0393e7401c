/** Protects the last step before an operator is woken: real requests, read by a real server. */
import { NodeHttpClient, NodeRandom, NodeTimers } from '@loki/runtime';
import { Metrics, rulerMetrics } from '@loki/telemetry';
import { eventually, eventuallyHolds } from '@loki/test-tools';
import type { Alert } from './alert-rule.ts';
import { AlertmanagerSink, alertsUrl } from './alertmanager.ts';
import type { AlertmanagerOptions } from './alertmanager.ts';
import { readRelabelSteps } from './relabel.ts';
import { basicCredentials } from './remote-client.ts';
import type { RemoteServer } from './remote-client.ts';
import { TestServer } from './test/server.ts';
import { silentLogger, tenantA } from './test/world.ts';

const http = new NodeHttpClient();
let servers: TestServer[] = [];
let sinks: AlertmanagerSink[] = [];
let metrics = new Metrics();

beforeEach(() => {
  metrics = new Metrics();
});
afterEach(async () => {
  await Promise.all(sinks.map((sink) => sink.stop()));
  for (const server of servers) server.stop();
  servers = [];
  sinks = [];
});
afterAll(() => http.close());

async function serve(): Promise<TestServer> {
  const server = await TestServer.start();
  servers.push(server);
  return server;
}

function serverAt(url: string, over: Partial<RemoteServer> = {}): RemoteServer {
  const credentials = { kind: 'none' } as const;
  return { url: alertsUrl(url), timeoutMs: 60_000, headers: new Map(), credentials, tls: {}, ...over };
}

function sinkOf(server: readonly RemoteServer[], over: Partial<AlertmanagerOptions> = {}): AlertmanagerSink {
  const sink = new AlertmanagerSink(
    {
      http,
      timers: new NodeTimers(),
      random: new NodeRandom(),
      logger: silentLogger,
      metrics: rulerMetrics(metrics),
      readSecret: async (path) => `secret of ${path}\n`,
    },
    {
      servers: server,
      queueCapacity: 1000,
      externalLabels: [],
      externalUrl: 'http://grafana/',
      datasourceUid: 'uid',
      relabel: [],
      ...over,
    },
  );
  sinks.push(sink);
  return sink;
}

function alertOf(name: string, over: Partial<Alert> = {}): Alert {
  return {
    labels: [
      ['alertname', name],
      ['app', 'a'],
    ],
    annotations: [['summary', 'too much']],
    state: 'firing',
    value: 1,
    activeAtMs: 1_700_000_000_000,
    firedAtMs: 1_700_000_060_000,
    resolvedAtMs: 0,
    keepFiringSinceMs: 0,
    lastSentAtMs: 0,
    validUntilMs: 1_700_000_300_500,
    ...over,
  };
}

/** Names of alerts in each message. */
function names(server: TestServer): string[][] {
  return server.requests.map(({ body }) =>
    (JSON.parse(body.toString()) as { labels: Record<string, string> }[]).map(
      ({ labels }) => labels['alertname'],
    ),
  );
}

const value = async (name: string, url: string) =>
  (await metrics.text())
    .split('\n')
    .find((line) => line.startsWith(`${name}{alertmanager="${url}`))
    ?.split(' ')[1];

test('a message is what Alertmanager of version 2 takes', async () => {
  const server = await serve();
  const sink = sinkOf([serverAt(`${server.url}/prefix/`)], {
    externalLabels: [
      ['app', 'lower'],
      ['cluster', 'c1'],
    ],
  });
  sink.send(
    tenantA,
    [alertOf('A'), alertOf('B', { state: 'inactive', resolvedAtMs: 1_700_000_120_000 })],
    'vector(1) > 0',
  );
  await eventually(() => server.requests.length >= 1);
  const [{ method, path, headers, body }] = server.requests;
  expect([method, path, headers['content-type'], headers['authorization']]).toEqual([
    'POST',
    '/prefix/api/v2/alerts',
    'application/json',
    undefined,
  ]);
  const messages = JSON.parse(body.toString()) as Record<string, string>[];
  const { generatorURL, ...first } = messages[0];
  expect(first).toEqual({
    labels: { alertname: 'A', app: 'a', cluster: 'c1' },
    annotations: { summary: 'too much' },
    startsAt: '2023-11-14T22:14:20Z',
    endsAt: '2023-11-14T22:18:20.5Z',
  });
  expect(messages[1]['endsAt']).toBe('2023-11-14T22:15:20Z');
  const link = new URL(generatorURL);
  expect([link.origin, link.pathname]).toEqual(['http://grafana', '/explore']);
  expect(JSON.parse(link.searchParams.get('left')!)).toMatchObject({
    datasource: 'uid',
    queries: [{ expr: '(vector(1.000000) > 0)', queryType: 'range' }],
  });
  await eventuallyHolds(async () =>
    expect(await value('loki_prometheus_notifications_sent_total', server.url)).toBe('2'),
  );
});

test("links into Grafana are Loki's to the letter", async () => {
  const server = await serve();
  for (const datasourceUid of ['', 'u 1']) {
    const expr = 'sum by(app)(count_over_time({app=~"a.+"} |= `x&y` [5m]))>0';
    sinkOf([serverAt(server.url)], { datasourceUid }).send(tenantA, [alertOf('A')], expr);
  }
  await eventually(() => server.requests.length >= 2);
  const links = server.requests.map(
    ({ body }) => (JSON.parse(body.toString()) as { generatorURL: string }[])[0].generatorURL,
  );
  const query =
    '%22queries%22:%5B%7B%22expr%22%3A%22%28sum+by+%28app%29%28count_over_time%28%7Bapp%3D~%5C%22a.%2B%5C%22%7D+%7C%3D+%5C%22x%5Cu0026y%5C%22%5B5m%5D%29%29+%5Cu003e+0%29%22%2C%22queryType%22%3A%22range%22%7D%5D%7D';
  expect(links.sort()).toEqual([
    `http://grafana/explore?left=%7B%22datasource%22:%22u+1%22,${query}`,
    `http://grafana/explore?left=%7B${query}`,
  ]);
});

test('each Alertmanager hears of it, and one that hangs delays no other', async () => {
  const [slow, fast] = [await serve(), await serve()];
  slow.answers.push('hang');
  const sink = sinkOf([serverAt(slow.url), serverAt(fast.url)]);
  sink.send(tenantA, [alertOf('A')], 'e');
  await eventuallyHolds(() => expect(names(fast)).toEqual([['A']]));
  sink.send(tenantA, [alertOf('B')], 'e');
  await eventuallyHolds(() => expect(names(fast)).toEqual([['A'], ['B']]));
  expect(names(slow)).toEqual([['A']]);
});

test.each([
  ['a user', basicCredentials('u', 'p', ''), `Basic ${Buffer.from('u:p').toString('base64')}`],
  [
    'a user with a file',
    basicCredentials('u', '', '/f'),
    `Basic ${Buffer.from('u:secret of /f').toString('base64')}`,
  ],
  ['a token', { kind: 'token', type: 'Bearer', token: 't', tokenFile: '' } as const, 'Bearer t'],
  ['a token in a file', { kind: 'token', type: 'X', token: '', tokenFile: '/t' } as const, 'X secret of /t'],
])('%s proves who we are', async (_name, credentials, expected) => {
  const server = await serve();
  sinkOf([serverAt(server.url, { credentials })]).send(tenantA, [alertOf('A')], 'e');
  await eventuallyHolds(() => expect(server.requests[0]?.headers['authorization']).toBe(expected));
});

test('a failure is tried again, a refusal is not, and both are counted', async () => {
  const [failing, refusing] = [await serve(), await serve()];
  failing.answers.push(503, 429);
  refusing.answers.push(400);
  const sink = sinkOf([serverAt(failing.url), serverAt(refusing.url)]);
  sink.send(tenantA, [alertOf('A')], 'e');
  await eventuallyHolds(() => expect(names(failing)).toEqual([['A'], ['A'], ['A']]));
  await eventuallyHolds(async () =>
    expect(await value('loki_prometheus_notifications_sent_total', failing.url)).toBe('1'),
  );
  expect(await value('loki_prometheus_notifications_errors_total', failing.url)).toBe('2');
  expect(names(refusing)).toEqual([['A']]);
  expect(await value('loki_prometheus_notifications_dropped_total', refusing.url)).toBe('1');
});

test('many alerts go in batches; of one alert that waits the newest word counts; the oldest go when too many wait', async () => {
  const server = await serve();
  server.answers.push('hang');
  const sink = sinkOf([serverAt(server.url)], { queueCapacity: 300 });
  sink.send(tenantA, [alertOf('first')], 'e');
  await eventually(() => server.requests.length >= 1);
  sink.send(
    tenantA,
    Array.from({ length: 310 }, (_, i) => alertOf(`A${i}`)),
    'e',
  );
  sink.send(tenantA, [alertOf('A309', { annotations: [['summary', 'newest']] })], 'e');
  server.hangUp();
  await eventuallyHolds(() => expect(names(server).map(({ length }) => length)).toEqual([1, 1, 256, 44]));
  const all = names(server).slice(2).flat();
  expect([all[0], all.at(-1), new Set(all).size]).toEqual(['A10', 'A309', 300]);
  expect(server.requests.at(-1)!.body.toString()).toContain('newest');
  expect(await value('loki_prometheus_notifications_dropped_total', server.url)).toBe('10');
});

test('relabelling changes labels and drops alerts', async () => {
  const server = await serve();
  const relabel = readRelabelSteps(
    [
      { source_labels: ['alertname'], regex: 'no.*', action: 'drop' },
      { regex: 'app', action: 'labeldrop' },
    ],
    'test',
  );
  sinkOf([serverAt(server.url)], { relabel }).send(tenantA, [alertOf('noise'), alertOf('A')], 'e');
  await eventually(() => server.requests.length >= 1);
  expect(JSON.parse(server.requests[0].body.toString())).toMatchObject([{ labels: { alertname: 'A' } }]);
  expect(server.requests[0].body.toString()).not.toContain('"app"');
});

test('stopping does not wait for a server that hangs', async () => {
  const server = await serve();
  server.answers.push('hang');
  const sink = sinkOf([serverAt(server.url)]);
  sink.send(tenantA, [alertOf('A')], 'e');
  await eventually(() => server.requests.length >= 1);
  await sink.stop();
});
