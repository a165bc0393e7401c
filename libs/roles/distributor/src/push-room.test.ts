/** Protects: a push waits for memory and for the head for a bounded time, and holds nothing afterwards. */
import { parseTenantId } from '@loki/model';
import { NodeTimers } from '@loki/runtime';
import { distributorMetrics, Metrics } from '@loki/telemetry';
import { ManualTime } from '@loki/test-tools';
import { StoppedClock, testDistributor } from './test/distributor.ts';
import { jsonBody, nowMs, nowNs } from './test/push-bodies.ts';
import { ConsumerLag } from './write/consumer-lag.ts';

const app = { app: 'a' };
test('pushes beyond the bytes in flight wait for a while until others are answered', async () => {
  const time = new ManualTime();
  const { push, log } = testDistributor({
    options: { inflightBytesMax: 300, waitMsMax: 500 },
    deps: {
      clock: { nowMs: () => nowMs, nowNs: () => nowNs, monotonicMs: () => time.monotonicMs() },
      timers: time,
    },
  });
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const body = jsonBody({ labels: app, entries: [[0, 'x'.repeat(100)]] });
  const first = push('t', { body });
  expect((await time.passUntil(push('t', { body }))).status).toBe(503);
  const waiting = push('t', { body });
  gate.resolve();
  expect((await time.passUntil(first)).status).toBe(204);
  expect((await time.passUntil(waiting)).status).toBe(204);
});

test('a push that waits too long for a head is told to come back; it counts for nothing any more', async () => {
  const clock = new StoppedClock(0);
  const timers = new NodeTimers();
  const lag = new ConsumerLag({ clock, timers });
  let inflight = 0;
  const observer = {
    ...distributorMetrics(new Metrics()),
    inflightBytes: (bytes: number) => (inflight = bytes),
  };
  const { push } = testDistributor({
    options: { waitMsMax: 10 },
    deps: { lag, clock, timers, metrics: observer },
  });
  lag.wrote(parseTenantId('t'), 1e6);
  const waiting = push('t', { body: jsonBody({ labels: app, entries: [[0, 'x']] }) });
  expect(inflight).toBeGreaterThan(0);
  clock.ms += 20;
  const answer = await waiting;
  expect([answer.status, answer.headers?.['retry-after'], answer.body]).toEqual([
    503,
    '1',
    'too many pushes: this one waited 0.0 s for its turn\n',
  ]);
  expect(inflight).toBe(0);
});
