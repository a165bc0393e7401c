/** Protects: a push beyond a limit of its tenant is refused in Loki's words, and one within it never. */
import type { Limits } from '@loki/config';
import { defaultLimits, storedEntries, testDistributor } from './test/distributor.ts';
import { jsonBody, nowMs, withLimits } from './test/push-bodies.ts';
import type { Entry } from './test/push-bodies.ts';

const app = { app: 'a' };
test.each([
  [260, `ingestion blocked for user 't' until '2026-01-15T13:30:00Z' with status code '260'\n`],
  [456, `ingestion blocked for user 't' until '2026-01-15T13:30:00Z' with status code '456'\n`],
  [200, undefined],
])('a blocked tenant gets status %i and stores nothing', async (status, body) => {
  const { push, log, metrics } = withLimits({
    blockIngestionUntilMs: nowMs + 3_600_000,
    blockIngestionStatusCode: status,
  });
  const answer = await push('t', { body: jsonBody({ labels: app, entries: [[0, 'xyz', { k: 'v' }]] }) });
  expect([answer.status, answer.body]).toEqual([status, body]);
  expect(log.records).toHaveLength(0);
  expect(await metrics.text()).toContain(
    'loki_discarded_bytes_total{format="loki",policy="",reason="blocked_ingestion",retention_hours="",tenant="t"} 5',
  );
});

test('a tenant whose block is over may write', async () => {
  const { push } = withLimits({ blockIngestionUntilMs: nowMs });
  expect((await push('t', { body: jsonBody({ labels: app, entries: [[0, 'x']] }) })).status).toBe(204);
});

test('a push beyond the rate is refused whole; the bucket refills, and is shared among distributors', async () => {
  const { push, log, clock } = testDistributor({
    limits: () => ({ ...defaultLimits, ingestionRateBytes: 1000, ingestionBurstBytes: 1000 }),
    deps: { healthyDistributors: () => 2 },
  });
  const body = jsonBody({ labels: app, entries: [[0, 'x'.repeat(600)]] });
  expect((await push('t', { body })).status).toBe(204);
  const refused = await push('t', { body });
  expect([refused.status, refused.headers?.['retry-after'], refused.body]).toEqual([
    429,
    '1',
    `ingestion rate limit exceeded for user t (limit: 1000 bytes/sec) while attempting to ingest '1' lines totaling '600' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased\n`,
  ]);
  expect((await push('other', { body })).status).toBe(204);
  clock.ms += 500;
  expect((await push('t', { body })).status).toBe(204);
  expect(storedEntries(log)).toHaveLength(3);
});

test('where streams are not sharded, one beyond its own rate loses the entries that are too much', async () => {
  const { push, log } = withLimits({
    perStreamRateLimitBytes: 1024,
    perStreamRateLimitBurstBytes: 2048,
    shardStreams: { enabled: false, desiredRateBytes: 0 },
  });
  const entries: Entry[] = [
    [0, 'a'.repeat(1500)],
    [1, 'b'.repeat(1500)],
    [2, 'c'.repeat(17)],
  ];
  const answer = await push('t', { body: jsonBody({ labels: app, entries }) });
  expect(answer.status).toBe(429);
  expect(answer.body).toBe(
    `entry with timestamp 2026-01-15 12:30:00.000000001 +0000 UTC ignored, reason: 'Per stream rate limit exceeded (limit: 1KB/sec) while attempting to ingest for stream '{app="a", service_name="a"}' totaling 1500B, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased',\n` +
      `user 't', total ignored: 1 out of 3 for stream: {app="a", service_name="a"}\n`,
  );
  expect(storedEntries(log).map(({ line }) => line[0])).toEqual(['a', 'c']);
});

test('streams that are idle make room for new ones', async () => {
  const { push, clock } = testDistributor({
    limits: () => ({ ...defaultLimits, maxGlobalStreamsPerUser: 1 }),
    options: { streamIdleMs: 60_000 },
  });
  const one = jsonBody({ labels: { app: '1' }, entries: [[0, 'x']] });
  const two = jsonBody({ labels: { app: '2' }, entries: [[0, 'x']] });
  expect((await push('t', { body: one })).status).toBe(204);
  expect((await push('t', { body: two })).status).toBe(429);
  clock.ms += 61_000;
  expect((await push('t', { body: two })).status).toBe(204);
});

test('new limits count from the next push on, also for labels seen before', async () => {
  let limits: Limits = defaultLimits;
  const { push } = testDistributor({ limits: () => limits });
  const body = jsonBody({ labels: { app: 'a', b: '1' }, entries: [[0, 'x']] });
  expect((await push('t', { body })).status).toBe(204);
  limits = { ...defaultLimits, maxLabelNamesPerSeries: 1 };
  expect((await push('t', { body })).status).toBe(400);
});
