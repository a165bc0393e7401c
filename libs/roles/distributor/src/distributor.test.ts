/** Protects: a push is answered as Loki answers it, and its valid entries are stored. */
import { compressSync } from 'snappy';
import { encodePushRequest } from '@loki/proto';
import { defaultLimits, storedEntries, testDistributor } from './test/distributor.ts';
import { jsonBody, nowNs, otlpBody, withLimits } from './test/push-bodies.ts';
import type { Entry } from './test/push-bodies.ts';

const app = { app: 'a' };
test('a repeated timestamp with another line moves 1 ns after the line before, when the tenant wants it', async () => {
  const { push, log } = withLimits({ incrementDuplicateTimestamp: true });
  const entries: Entry[] = [
    [0, 'a'],
    [0, 'b'],
    [0, 'a'],
    [0, 'c'],
    [1_000_000_000, 'd'],
  ];
  expect((await push('t', { body: jsonBody({ labels: app, entries }) })).status).toBe(204);
  expect(storedEntries(log).map(({ timestampNs, line }) => [Number(timestampNs - nowNs), line])).toEqual([
    [0, 'a'],
    [1, 'b'],
    [2, 'a'],
    [3, 'c'],
    [1_000_000_000, 'd'],
  ]);
});

test('long lines are cut to the size, suffix included, when the tenant wants it', async () => {
  const { push, log, metrics } = withLimits({
    maxLineSizeBytes: 10,
    maxLineSizeTruncate: true,
    maxLineSizeTruncateIdentifier: '…',
  });
  const entries: Entry[] = [
    [0, 'short'],
    [1, '0123456789abc'],
    [2, 'a"quoted" long line'],
  ];
  expect((await push('t', { body: jsonBody({ labels: app, entries }) })).status).toBe(204);
  expect(storedEntries(log).map(({ line }) => line)).toEqual(['short', '0123456…', 'a"quote…']);
  expect(await metrics.text()).toContain(
    'loki_mutated_samples_total{reason="line_too_long",truncated="true",tenant="t"} 2',
  );
});

test('errors of several entries are counted by text; the valid entries are stored', async () => {
  const { push, log, metrics } = withLimits({ maxLineSizeBytes: 3, maxReturnedStreamErrors: 2 });
  const answer = await push('t', {
    body: jsonBody(
      {
        labels: app,
        entries: [
          [0, 'long!'],
          [1, 'ok'],
          [2, 'long!'],
          [3, 'longer'],
          [4, 'long!'],
        ],
      },
      { labels: { 'a-b': '1' }, entries: [[0, 'x']] },
      { labels: { app: 'c' }, entries: [[0, 'y']] },
    ),
  });
  expect(answer.status).toBe(400);
  expect(answer.body).toBe(
    `2 errors like: max entry size '3' bytes exceeded for stream '{app="a", service_name="a"}' while adding an entry with length '5' bytes; ` +
      `1 errors like: couldn't parse labels: 1:3: parse error: unexpected character inside braces: '-'\n`,
  );
  expect(
    storedEntries(log)
      .map(({ line }) => line)
      .sort((a, b) => (a < b ? -1 : 1)),
  ).toEqual(['ok', 'y']);
  const text = await metrics.text();
  expect(text).toContain('reason="line_too_long",retention_hours="",tenant="t"} 4');
  expect(text).toContain('reason="invalid_labels",retention_hours="",tenant="t"} 1');
});

test('an answer names only so many errors', async () => {
  const { push } = testDistributor();
  const streams = Array.from({ length: 3000 }, (_, i) => ({
    labels: { app: `a${i}` },
    entries: [[-30n * 86_400_000_000_000n, 'old']] as Entry[],
  }));
  const answer = await push('t', { body: jsonBody(...streams) });
  expect(answer.status).toBe(400);
  expect((answer.body as string).length).toBeLessThan(70_000);
  expect(answer.body).toMatch(/; and \d+ more errors\n$/);
});

test('labels that the tenant enforces must be there', async () => {
  const { push } = withLimits({ enforcedLabels: ['env', 'app', 'team'] });
  const answer = await push('t', { body: jsonBody({ labels: app, entries: [[0, 'x']] }) });
  expect([answer.status, answer.body]).toEqual([
    400,
    `missing required labels 'env,team' for user 't' for stream '{app="a", service_name="a"}'\n`,
  ]);
});

test('when the write log fails the client is told to come back', async () => {
  const { push, log } = testDistributor();
  log.isBroken = true;
  const body = jsonBody({ labels: app, entries: [[0, 'x']] });
  const answer = await push('t', { body });
  expect([answer.status, answer.headers?.['retry-after']]).toEqual([503, '1']);
  expect(
    (await push('t', { path: '/otlp/v1/logs', body: otlpBody(app, [{ body: { stringValue: 'x' } }]) }))
      .status,
  ).toBe(503);
  log.isBroken = false;
  expect((await push('t', { body })).status).toBe(204);
});

test('a body larger than the server takes is answered 413 and counted', async () => {
  const { push, metrics } = testDistributor({ options: { recvBytesMax: 20 } });
  expect((await push('t', { body: jsonBody({ labels: app, entries: [[0, 'x']] }) })).status).toBe(413);
  expect(await metrics.text()).toContain('reason="request_body_too_large"');
});

test('the streams of a tenant spread over all partitions, or over its shard', async () => {
  const streams = Array.from({ length: 64 }, (_, i) => ({
    labels: { app: `a${i}` },
    entries: [[0, 'x']] as Entry[],
  }));
  const partitionsOf = async (shardSize: number) => {
    const { push, log } = testDistributor({
      partitions: 8,
      limits: () => ({ ...defaultLimits, ingestionPartitionsTenantShardSize: shardSize }),
    });
    expect((await push('t', { body: jsonBody(...streams) })).status).toBe(204);
    expect(storedEntries(log)).toHaveLength(64);
    return new Set(log.records.map(({ partition }) => partition));
  };
  expect((await partitionsOf(0)).size).toBe(8);
  const two = await partitionsOf(2);
  expect(two.size).toBe(2);
  const three = await partitionsOf(3);
  expect(three.size).toBe(3);
  expect([...two].every((partition) => three.has(partition))).toBe(true);
});

test('protobuf metadata with bad UTF-8 is mended, lines stay as they came', async () => {
  const { push, log } = testDistributor();
  const request = encodePushRequest({
    streams: [
      {
        labels: '{app="a"}',
        entries: [
          {
            timestampNs: nowNs,
            line: Buffer.from([0x61, 0xff]),
            metadata: [
              ['k-1', 'v\u0001'],
              ['e', ''],
            ],
          },
        ],
      },
    ],
  });
  const bad = Buffer.from(request);
  bad[bad.indexOf(0x01, bad.indexOf('k-1'))] = 0xfe;
  const headers = new Map([['content-type', 'application/x-protobuf']]);
  expect((await push('t', { headers, body: compressSync(bad) })).status).toBe(204);
  expect(storedEntries(log)[0]).toMatchObject({
    line: 'a\ufffd',
    metadata: { k_1: 'v\ufffd', detected_level: 'unknown' },
  });
});

test('metadata names become label names by the OpenTelemetry rules', async () => {
  const { push, log } = testDistributor();
  const metadata = { 'a.b': '1', 'c-.-d': '2', '9x': '3', __res__: '4', 'x y': '5' };
  expect((await push('t', { body: jsonBody({ labels: app, entries: [[0, 'x', metadata]] }) })).status).toBe(
    204,
  );
  expect(storedEntries(log)[0].metadata).toEqual({
    a_b: '1',
    c_d: '2',
    key_9x: '3',
    __res__: '4',
    x_y: '5',
    detected_level: 'unknown',
  });
});

test('a tenant says which OTLP attributes are labels, metadata, or nothing', async () => {
  const { push, log } = withLimits({
    otlp: {
      resourceAttributes: {
        ignoreDefaults: true,
        attributesConfig: [
          { action: 'index_label', attributes: ['team'], regex: '' },
          { action: 'drop', attributes: [], regex: 'secret.*' },
        ],
      },
      scopeAttributes: [],
      logAttributes: [
        { action: 'index_label', attributes: ['shard'], regex: '' },
        { action: 'drop', attributes: ['noise'], regex: '' },
      ],
      severityTextAsLabel: true,
    },
  });
  const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const body = otlpBody({ team: 'x', 'service.name': 's', 'secret.key': 'k' }, [
    {
      timeUnixNano: String(nowNs),
      body: { stringValue: 'a' },
      severityText: 'WARN',
      attributes: [attribute('shard', '1'), attribute('noise', 'n')],
    },
    { timeUnixNano: Number(nowNs), body: { stringValue: 'b' } },
  ]);
  expect((await push('t', { path: '/otlp/v1/logs', body })).status).toBe(204);
  const entries = storedEntries(log).sort((a, b) => (a.line < b.line ? -1 : 1));
  expect(entries.map(({ stream, metadata }) => [stream, metadata])).toEqual([
    [
      { service_name: 'unknown_service', severity_text: 'WARN', shard: '1', team: 'x' },
      { detected_level: 'warn', service_name: 's', severity_text: 'WARN' },
    ],
    [
      { service_name: 'unknown_service', team: 'x' },
      { detected_level: 'unknown', service_name: 's' },
    ],
  ]);
});

test('OTLP records without a time get the present one', async () => {
  const { push, log } = testDistributor();
  expect(
    (await push('t', { path: '/otlp/v1/logs', body: otlpBody({}, [{ body: { stringValue: 'x' } }]) })).status,
  ).toBe(204);
  expect(storedEntries(log)[0].timestampNs).toBe(nowNs);
});

test('accepted pushes move the counters that dashboards read', async () => {
  const { push, metrics } = testDistributor();
  const headers = new Map([
    ['content-type', 'application/json'],
    ['user-agent', 'promtail/3.0'],
  ]);
  await push('t', {
    headers,
    body: jsonBody({
      labels: app,
      entries: [
        [0, 'x'.repeat(70), { k: 'vv' }],
        [-1_000_000_000, 'y'],
      ],
    }),
  });
  const text = await metrics.text();
  for (const line of [
    'loki_distributor_lines_received_total{format="loki",is_internal_stream="false",policy="",tenant="t"} 2',
    'loki_distributor_structured_metadata_bytes_received_total{format="loki",is_internal_stream="false",policy="",tenant="t",retention_hours=""} 3',
    'loki_distributor_bytes_received_total{format="loki",is_internal_stream="false",policy="",tenant="t",retention_hours=""} 74',
    'loki_bytes_per_line_bucket{le="1"} 1',
    'loki_bytes_per_line_bucket{le="64"} 1',
    'loki_bytes_per_line_bucket{le="512"} 2',
    'loki_bytes_per_line_bucket{le="+Inf"} 2',
    'loki_bytes_per_line_sum 71',
    'loki_bytes_per_line_count 2',
  ]) {
    expect(text).toContain(line);
  }
});

test('nothing that a client sends is an internal error', async () => {
  const { push } = testDistributor();
  const bodies = [
    Buffer.alloc(0),
    Buffer.from('{}'),
    Buffer.from('[1,2'),
    Buffer.alloc(50, 0xff),
    Buffer.from('{"resourceLogs":5}'),
  ];
  for (const path of ['/loki/api/v1/push', '/api/prom/push', '/otlp/v1/logs']) {
    for (const type of ['application/json', 'application/x-protobuf', '']) {
      for (const encoding of ['', 'gzip', 'deflate', 'snappy', 'zstd', 'lz4']) {
        for (const body of bodies) {
          const headers = new Map([
            ['content-type', type],
            ['content-encoding', encoding],
          ]);
          const answer = await push('t', { path, headers, body });
          expect([400, 413, 422]).toContain(answer.status);
        }
      }
    }
  }
});
