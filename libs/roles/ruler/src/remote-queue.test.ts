/** Protects recorded series: a real server decodes what it gets, through failures and restarts. */
import { uncompressSync } from 'snappy';
import { WireCursor } from '@loki/proto';
import { NodeClock, NodeHttpClient, NodeRandom, NodeTimers } from '@loki/runtime';
import { Metrics, rulerMetrics } from '@loki/telemetry';
import { eventually, eventuallyHolds } from '@loki/test-tools';
import { VirtualDisk, VirtualScheduler } from '@loki/virtual';
import type { SeriesSample } from './recording-rule.ts';
import { readRemoteClients } from './remote-client.ts';
import type { RemoteClient } from './remote-client.ts';
import { RemoteWriteSink } from './remote-write-sink.ts';
import { SettingError } from './settings.ts';
import { TestServer } from './test/server.ts';
import { silentLogger, tenantA } from './test/world.ts';

const http = new NodeHttpClient();
const timers = new NodeTimers();
let server: TestServer;
let disk: VirtualDisk;
let metrics: Metrics;
let sinks: RemoteWriteSink[] = [];

beforeEach(async () => {
  server = await TestServer.start();
  disk = new VirtualDisk(new VirtualScheduler(1).random.fork('disk'));
  metrics = new Metrics();
});
afterEach(async () => {
  await Promise.all(sinks.map((sink) => sink.stop()));
  sinks = [];
  server.stop();
});
afterAll(() => http.close());

async function sinkOf(
  clients: readonly RemoteClient[],
  over: { ageMaxMs?: number; sendsTenant?: boolean } = {},
): Promise<RemoteWriteSink> {
  const sink = new RemoteWriteSink(
    {
      disk: disk.client(),
      http,
      clock: new NodeClock(),
      timers,
      random: new NodeRandom(),
      logger: silentLogger,
      metrics: rulerMetrics(metrics),
      readSecret: async () => 'secret',
    },
    { clientsOf: () => clients, sendsTenant: true, ageMaxMs: 3_600_000, ...over },
  );
  sinks.push(sink);
  await sink.start();
  return sink;
}

const client = (fields: Record<string, unknown> = {}) =>
  readRemoteClients({ main: { url: `${server.url}/api/v1/write`, ...fields } }, 'clients');

function seriesOf(name: string, value: number | undefined, timestampMs = Date.now()): SeriesSample {
  return {
    labels: [
      ['__name__', name],
      ['app', 'ä'],
    ],
    timestampMs,
    value,
  };
}

interface Decoded {
  readonly labels: Record<string, string>;
  readonly value: number;
  readonly bits: bigint;
  readonly timestampMs: number;
}

/** prometheus.WriteRequest, read by its definition. */
function decode(body: Buffer): Decoded[] {
  const bytes = uncompressSync(body) as Buffer;
  const cursor = new WireCursor(bytes);
  const decoded: Decoded[] = [];
  while (cursor.at < bytes.length) {
    expect(cursor.tag(bytes.length, 'WriteRequest')).toBe(1 * 8 + 2);
    const end = cursor.lengthEnd(bytes.length);
    const labels: Record<string, string> = {};
    let [value, bits, timestampMs] = [0, 0n, 0];
    while (cursor.at < end) {
      const tag = cursor.tag(end, 'TimeSeries');
      const partEnd = cursor.lengthEnd(end);
      if (tag === 1 * 8 + 2) {
        const texts: string[] = [];
        while (cursor.at < partEnd) {
          cursor.tag(partEnd, 'Label');
          const textEnd = cursor.lengthEnd(partEnd);
          texts.push(bytes.toString('utf8', cursor.at, textEnd));
          cursor.at = textEnd;
        }
        labels[texts[0]] = texts[1];
      } else {
        expect(cursor.tag(partEnd, 'Sample')).toBe(1 * 8 + 1);
        bits = bytes.readBigUInt64LE(cursor.at);
        value = cursor.double(partEnd);
        expect(cursor.tag(partEnd, 'Sample')).toBe(2 * 8);
        timestampMs = cursor.int64Number(partEnd);
      }
    }
    decoded.push({ labels, value, bits, timestampMs });
  }
  return decoded;
}

const received = () => server.requests.flatMap(({ body }) => decode(body));
/**
 * Of a client after a restart: a request of the client before may still be on its way when that one stops.
 */
const pathAfter = '/after/restart';
const requestsAfter = () => server.requests.filter(({ path }) => path === pathAfter);
const clientAfter = () => client({ url: `${server.url}${pathAfter}` });
const metric = async (name: string) =>
  (await metrics.text())
    .split('\n')
    .find((line) => line.startsWith(`${name}{`))
    ?.split(' ')[1];

test('samples arrive as Prometheus takes them', async () => {
  const sink = await sinkOf(
    client({ headers: { 'X-Own': 'yes' }, basic_auth: { username: 'u', password_file: '/f' } }),
  );
  const nowMs = Date.now();
  await sink.write(tenantA, [
    seriesOf('r', 1.5, nowMs),
    seriesOf('s', Number.NaN, nowMs),
    seriesOf('t', undefined, nowMs),
  ]);
  await eventually(() => server.requests.length >= 1);
  const [{ method, path, headers }] = server.requests;
  expect([method, path]).toEqual(['POST', '/api/v1/write']);
  expect(headers).toMatchObject({
    'content-encoding': 'snappy',
    'content-type': 'application/x-protobuf',
    'x-prometheus-remote-write-version': '0.1.0',
    'x-scope-orgid': 'a',
    'x-own': 'yes',
    authorization: `Basic ${Buffer.from('u:secret').toString('base64')}`,
  });
  const labels = (name: string) => ({ __name__: name, app: 'ä' });
  expect(received()).toMatchObject([
    { labels: labels('r'), value: 1.5, timestampMs: nowMs },
    { labels: labels('s'), value: Number.NaN },
    // The marker that ends a series; its bits distinguish it from other NaNs.
    { labels: labels('t'), bits: 0x7ff0000000000002n },
  ]);
  expect(received()[1].bits).not.toBe(0x7ff0000000000002n);
  await eventuallyHolds(async () =>
    expect(await metric('loki_ruler_wal_prometheus_remote_storage_samples_total')).toBe('3'),
  );
  expect(await metric('loki_ruler_wal_samples_appended_total')).toBe('3');
});

test('the tenant header is sent only if configured', async () => {
  await (await sinkOf(client(), { sendsTenant: false })).write(tenantA, [seriesOf('r', 1)]);
  await eventually(() => server.requests.length >= 1);
  expect(server.requests[0].headers['x-scope-orgid']).toBeUndefined();
});

test('failures are tried again until the receiver has it, in order', async () => {
  server.answers.push(500, 429, 503);
  const sink = await sinkOf(client({ queue_config: { min_backoff: '1ms', max_backoff: '5ms' } }));
  await sink.write(tenantA, [seriesOf('r', 1)]);
  await sink.write(tenantA, [seriesOf('r', 2)]);
  await eventuallyHolds(() => expect(received().at(-1)?.value).toBe(2));
  const values = received().map(({ value }) => value);
  expect(values.slice(0, 4)).toEqual([1, 1, 1, 1]);
});

test('what is refused is dropped and counted, and what follows goes on', async () => {
  server.answers.push(400);
  const sink = await sinkOf(client());
  await sink.write(tenantA, [seriesOf('bad', 1)]);
  await eventually(() => server.requests.length >= 1);
  await sink.write(tenantA, [seriesOf('good', 2)]);
  await eventuallyHolds(() =>
    expect(received().map(({ labels }) => labels['__name__'])).toEqual(['bad', 'good']),
  );
  expect(await metric('loki_ruler_wal_prometheus_remote_storage_samples_dropped_total')).toBe('1');
});

test('one sample that is refused takes no others along, as after a crash between the answer and the note of it', async () => {
  server.answerOf = () => 500;
  const sink = await sinkOf(client({ queue_config: { min_backoff: '100ms', max_backoff: '100ms' } }));
  await sink.write(tenantA, [seriesOf('first', 0)]);
  for (let i = 1; i <= 9; i++) await sink.write(tenantA, [seriesOf(i === 4 || i === 9 ? 'old' : `r${i}`, i)]);
  await sink.stop();
  // As Prometheus: everything or nothing of a request.
  server.answerOf = (body) => (decode(body).some(({ labels }) => labels['__name__'] === 'old') ? 400 : 204);
  await sinkOf(clientAfter());
  const accepted = () =>
    requestsAfter()
      .filter(({ status }) => status === 204)
      .flatMap(({ body }) => decode(body));
  await eventuallyHolds(() =>
    expect(accepted().map(({ labels }) => labels['__name__'])).toEqual(
      expect.arrayContaining(['first', 'r1', 'r2', 'r3', 'r5', 'r6', 'r7', 'r8']),
    ),
  );
  // In their order, each once: what is older is refused.
  expect(accepted().map(({ value }) => value)).toEqual([0, 1, 2, 3, 5, 6, 7, 8]);
  await eventuallyHolds(async () =>
    expect(await metric('loki_ruler_wal_prometheus_remote_storage_samples_dropped_total')).toBe('2'),
  );
});

test('what could not be sent is sent after a restart', async () => {
  server.answerOf = () => 500;
  const first = await sinkOf(client({ queue_config: { min_backoff: '20ms', max_backoff: '20ms' } }));
  await first.write(tenantA, [seriesOf('r', 1)]);
  await eventuallyHolds(() => expect(server.requests.length).toBeGreaterThan(1));
  await first.stop();
  server.answerOf = () => 200;
  await sinkOf(clientAfter());
  const sent = () => requestsAfter().flatMap(({ body }) => decode(body));
  await eventuallyHolds(() => expect(sent()).toMatchObject([{ value: 1 }]));
});

test('samples that are too old are not sent', async () => {
  const sink = await sinkOf(client(), { ageMaxMs: 60_000 });
  await sink.write(tenantA, [seriesOf('old', 1, Date.now() - 120_000)]);
  await sink.write(tenantA, [seriesOf('new', 2)]);
  await eventuallyHolds(() => expect(received().map(({ value }) => value)).toEqual([2]));
  expect(await metric('loki_ruler_wal_prometheus_remote_storage_samples_dropped_total')).toBe('1');
});

test('many samples go in parts; relabelling changes and drops them', async () => {
  const sink = await sinkOf(
    client({
      queue_config: { max_samples_per_send: 10 },
      write_relabel_configs: [
        { source_labels: ['__name__'], regex: 'noise', action: 'drop' },
        { target_label: 'cluster', replacement: 'c1' },
      ],
    }),
  );
  await sink.write(tenantA, [
    seriesOf('noise', 0),
    ...Array.from({ length: 25 }, (_, i) => seriesOf('r', i)),
  ]);
  await eventually(() => received().length >= 25);
  expect(server.requests.map(({ body }) => decode(body).length)).toEqual([10, 10, 5]);
  expect(received().every(({ labels }) => labels['cluster'] === 'c1')).toBe(true);
});

test('a disk that fails fails the write, and the next one may succeed', async () => {
  const sink = await sinkOf(client());
  disk.onOperation = ({ kind }) => {
    if (kind === 'append') throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  };
  await expect(sink.write(tenantA, [seriesOf('r', 1)])).rejects.toThrow('full');
  expect(await metric('loki_ruler_wal_appender_ready')).toBe('0');
  disk.onOperation = undefined;
  await sink.write(tenantA, [seriesOf('r', 2)]);
  await eventuallyHolds(() => expect(received()).toMatchObject([{ value: 2 }]));
  expect(await metric('loki_ruler_wal_appender_ready')).toBe('1');
});

test.each([
  [{ main: {} }, 'clients.main.url is not a URL'],
  [{ main: { url: 'file:///etc/passwd' } }, 'only http and https'],
  [{ main: { url: 'http://a', remote_timeout: 'soon' } }, 'not a valid duration'],
  [{ main: { url: 'http://a', headers: [] } }, 'is not a mapping'],
  [{ main: 'http://a' }, 'is not a mapping'],
])('a client that is not as it must be is refused: %j', (value, text) => {
  expect(() => readRemoteClients(value, 'clients')).toThrow(SettingError);
  expect(() => readRemoteClients(value, 'clients')).toThrow(text);
});

test('a name and password in the URL are credentials, and no part of the address', () => {
  const [client] = readRemoteClients({ main: { url: 'https://us%40er:pw@host/write' } }, 'clients');
  expect(client.url).toBe('https://host/write');
  expect(client.credentials).toMatchObject({ kind: 'basic', username: 'us@er', password: 'pw' });
});
