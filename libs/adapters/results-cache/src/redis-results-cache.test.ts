/** Against a real Redis: `LOKI_TEST_REDIS_URL=redis://127.0.0.1:6379`; `npm run test:services` starts one. */
import type { Logger } from '@loki/ports';
import { openRedis } from '@loki/ring-store';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { RedisResultsCache } from './redis-results-cache.ts';

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const [clock, timers] = [new NodeClock(), new NodeTimers()];
const url = process.env['LOKI_TEST_REDIS_URL'];
const nodes = process.env['LOKI_TEST_REDIS_NODES'];

function open(endpoints: readonly string[], ttlMs = 10_000): RedisResultsCache {
  const client = openRedis({ endpoints, connectTimeoutMs: 2_000, socketTimeoutMs: 2_000, logger }, 'test');
  return new RedisResultsCache({ client, clock, timers, logger, prefix, ttlMs, timeoutMs: 500 });
}

const prefix = `loki-test-${Buffer.from(new NodeRandom().bytes(6)).toString('hex')}/`;

/** Writes return at once: until they are there, or long enough. */
async function until(isThere: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100 && !(await isThere()); i++) await timers.sleep(20);
}

describe.each([
  ['one server', url ? [new URL(url).host] : undefined, 'LOKI_TEST_REDIS_URL'],
  ['cluster', nodes?.split(','), 'LOKI_TEST_REDIS_NODES'],
] as const)('Redis, %s', (_, endpoints, variable) => {
  if (!endpoints) {
    test.skip(`skipped, ${variable} is not set`, () => undefined);
    return;
  }

  test('bytes come back as they were, for whoever asks, until their time is over', async () => {
    const [writer, reader] = [open(endpoints, 400), open(endpoints)];
    const values = Array.from({ length: 300 }, (__, i) => ({
      key: `k${i}`,
      value: Uint8Array.from({ length: i * 10 }, (___, at) => (at * 7 + i) & 255),
    }));
    await until(async () => {
      writer.put(values.slice(-1));
      return (await reader.get(['k299']))[0] !== undefined;
    });
    writer.put(values);
    const keys = values.map(({ key }) => key);
    let found: readonly (Uint8Array | undefined)[] = [];
    await until(async () => (found = await reader.get(keys)).every((each) => each !== undefined));
    expect(found.map((each) => [...each!])).toEqual(values.map(({ value }) => [...value]));
    await timers.sleep(500);
    expect((await reader.get(keys)).every((each) => each === undefined)).toBe(true);
    await Promise.all([writer.close(), reader.close()]);
  });
});

test('a Redis that is not there costs next to no time', async () => {
  const cache = open(['127.0.0.1:1']);
  const startedMs = clock.monotonicMs();
  for (let i = 0; i < 50; i++) {
    expect(await cache.get(['a', 'b'])).toEqual([undefined, undefined]);
    cache.put([{ key: 'a', value: Buffer.from('1') }]);
  }
  expect(clock.monotonicMs() - startedMs).toBeLessThan(2_500);
  await cache.close();
});
