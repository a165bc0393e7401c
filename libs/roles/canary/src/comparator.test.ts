/** Protects what the canary reports: late, missing, doubled and disordered lines, each under its own name. */
import { canaryMetrics, Metrics } from '@loki/telemetry';
import { canaryLine, timeOfLine } from './canary-lines.ts';
import { Comparator } from './comparator.ts';

const second = 1_000_000_000n;
let metrics: Metrics;
let comparator: Comparator;

beforeEach(() => {
  metrics = new Metrics();
  comparator = new Comparator(canaryMetrics(metrics, 10), { waitNs: 10n * second, maxWaitNs: 60n * second });
});

async function value(name: string): Promise<number> {
  const line = (await metrics.text()).split('\n').find((each) => each.startsWith(`loki_canary_${name} `));
  return Number(line?.split(' ')[1]);
}

const nothing = () => Promise.resolve(new Set<bigint>());

test('lines received in order are no news but their latency', async () => {
  for (const ns of [1n, 2n, 3n]) comparator.written(ns * second);
  for (const ns of [1n, 2n, 3n]) comparator.received(ns * second, (ns + 1n) * second);
  expect(await value('entries_total')).toBe(3);
  expect(await value('response_latency_seconds_count')).toBe(3);
  expect(await value('response_latency_seconds_sum')).toBe(3);
  for (const name of ['out_of_order', 'duplicate', 'unexpected', 'missing', 'websocket_missing']) {
    expect(await value(`${name}_entries_total`)).toBe(0);
  }
});

test('a line before an older one, one twice, and one never written each have a counter', async () => {
  comparator.written(1n);
  comparator.written(2n);
  comparator.received(2n, 3n);
  comparator.received(1n, 3n);
  comparator.received(1n, 3n);
  comparator.received(9n, 9n);
  expect(await value('out_of_order_entries_total')).toBe(1);
  expect(await value('duplicate_entries_total')).toBe(1);
  expect(await value('unexpected_entries_total')).toBe(1);
});

test('a line that only a query finds is missing on the websocket, and not missing', async () => {
  comparator.written(second);
  await comparator.prune(5n * second, nothing);
  expect(await value('websocket_missing_entries_total')).toBe(0);
  await comparator.prune(12n * second, (from, to) => {
    expect([from, to]).toEqual([second, second]);
    return Promise.resolve(new Set([second]));
  });
  await comparator.prune(100n * second, nothing);
  expect(await value('websocket_missing_entries_total')).toBe(1);
  expect(await value('missing_entries_total')).toBe(0);
  expect(comparator.waiting).toBe(0);
});

test('a line that nobody finds is asked for until its time is over, and missing once', async () => {
  comparator.written(second);
  await comparator.prune(20n * second, nothing);
  await comparator.prune(40n * second, () => Promise.reject(new Error('no answer')));
  expect(await value('missing_entries_total')).toBe(0);
  await comparator.prune(62n * second, nothing);
  await comparator.prune(90n * second, nothing);
  expect(await value('missing_entries_total')).toBe(1);
  comparator.received(second, 91n * second);
  expect(await value('unexpected_entries_total')).toBe(1);
});

test('a line carries its time, and others are told apart', () => {
  expect(canaryLine(1557935669096040040n, 30)).toBe('1557935669096040040 pppppppppp');
  expect(timeOfLine(canaryLine(42n, 100))).toBe(42n);
  expect(timeOfLine('42 other')).toBeUndefined();
});
