/**
 * Against real servers: `LOKI_TEST_MEMCACHED_SERVER`, memcached's binary; `npm run test:services` sets it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Logger } from '@loki/ports';
import { NodeClock, NodeTimers } from '@loki/runtime';
import { MemcachedResultsCache } from './memcached-results-cache.ts';
import type { MemcachedResultsCacheOptions } from './memcached-results-cache.ts';

const binary = process.env['LOKI_TEST_MEMCACHED_SERVER'];
const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const [clock, timers] = [new NodeClock(), new NodeTimers()];

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

if (!binary) test.skip('memcached: skipped, LOKI_TEST_MEMCACHED_SERVER is not set', () => undefined);
else {
  const running: ChildProcess[] = [];
  const caches: MemcachedResultsCache[] = [];

  async function startServer(): Promise<{ address: string; child: ChildProcess }> {
    const port = await freePort();
    // It does not run as root without being told whose rights to take.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    const child = spawn(binary!, ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-m', '64', ...user], {
      stdio: 'ignore',
    });
    running.push(child);
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error('memcached ended');
      await timers.sleep(20);
    }
    return { address: `127.0.0.1:${port}`, child };
  }

  function open(addresses: readonly string[], more: Partial<MemcachedResultsCacheOptions> = {}) {
    const cache = new MemcachedResultsCache({
      clock,
      timers,
      logger,
      prefix: 'loki-test/',
      ttlMs: 60_000,
      timeoutMs: 2_000,
      batchSize: 4,
      parallelism: 5,
      connectionsMax: 4,
      itemBytesMax: 0,
      writing: { parallelism: 2, itemsMax: 10_000, bytesMax: 64 << 20 },
      breaker: { failures: 3, openMs: 1_000, intervalMs: 10_000 },
      ...more,
    });
    cache.useServers(addresses);
    caches.push(cache);
    return cache;
  }

  afterEach(async () => {
    for (const cache of caches.splice(0)) await cache.close();
    for (const child of running.splice(0)) child.kill('SIGKILL');
  });

  /** Writes return at once: until all are there, or long enough. */
  async function found(cache: MemcachedResultsCache, keys: readonly string[]) {
    let values = await cache.get(keys);
    for (let i = 0; i < 100 && values.some((value) => value === undefined); i++) {
      await timers.sleep(50);
      values = await cache.get(keys);
    }
    return values;
  }

  const entriesOf = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      // Long ones, ones with spaces, and plain ones.
      key: i % 3 === 0 ? `k${i}` : i % 3 === 1 ? `k ${i}` : `k${i}${'x'.repeat(300)}`,
      value: Uint8Array.from({ length: i * 20 }, (__, at) => (at * 7 + i) & 255),
    }));

  test('bytes come back as they were, for whoever knows the servers, in any order', async () => {
    const servers = [await startServer(), await startServer(), await startServer()].map(
      ({ address }) => address,
    );
    const writer = open(servers);
    const reader = open(servers.toReversed());
    const entries = entriesOf(300);
    writer.put(entries);
    const values = await found(
      reader,
      entries.map(({ key }) => key),
    );
    expect(values.map((value) => value && [...value])).toEqual(entries.map(({ value }) => [...value]));
    expect(await reader.get(['nothing'])).toEqual([undefined]);
    // Each server has its share.
    const shares = await Promise.all(
      servers.map(async (address) => {
        const one = await open([address]).get(entries.map(({ key }) => key));
        return one.filter((value) => value !== undefined).length;
      }),
    );
    expect(shares.reduce((sum, each) => sum + each, 0)).toBe(300);
    expect(Math.min(...shares)).toBeGreaterThan(50);
  });

  test('a hundred long keys go into one request', async () => {
    const { address } = await startServer();
    const cache = open([address], { batchSize: 0, prefix: 'p/' });
    const entries = Array.from({ length: 120 }, (_, i) => ({
      key: `${'y'.repeat(240)}${i}`,
      value: Buffer.from(String(i)),
    }));
    cache.put(entries);
    const values = await found(
      cache,
      entries.map(({ key }) => key),
    );
    expect(values.map(String)).toEqual(entries.map((_, i) => String(i)));
  });

  test('a value expires after its time to live', async () => {
    const { address } = await startServer();
    const cache = open([address], { ttlMs: 1_000 });
    cache.put([{ key: 'a', value: Buffer.from('1') }]);
    expect((await found(cache, ['a'])).map(String)).toEqual(['1']);
    await timers.sleep(2_500);
    expect(await cache.get(['a'])).toEqual([undefined]);
  });

  test('what is too large for the server is not kept, and what comes after it is', async () => {
    const { address } = await startServer();
    const cache = open([address], {
      connectionsMax: 1,
      writing: { parallelism: 1, itemsMax: 10, bytesMax: 64 << 20 },
    });
    cache.put([
      { key: 'large', value: Buffer.alloc(3 << 20, 1) },
      { key: 'small', value: Buffer.from('1') },
    ]);
    expect((await found(cache, ['small'])).map(String)).toEqual(['1']);
    expect(await cache.get(['large'])).toEqual([undefined]);
  });

  test('a killed server takes its own keys alone, and costs next to no time', async () => {
    const [one, two] = [await startServer(), await startServer()];
    const cache = open([one.address, two.address], { timeoutMs: 300 });
    const entries = entriesOf(60);
    const keys = entries.map(({ key }) => key);
    cache.put(entries);
    await found(cache, keys);
    const own = (await open([one.address]).get(keys)).map((value) => value !== undefined);
    two.child.kill('SIGKILL');
    await timers.sleep(100);
    const left = await cache.get(keys);
    expect(left.map((value) => value !== undefined)).toEqual(own);
    expect(own).toContain(false);
    const startedMs = clock.monotonicMs();
    for (let i = 0; i < 20; i++) await cache.get(keys);
    expect(clock.monotonicMs() - startedMs).toBeLessThan(5_000);
  });
}
