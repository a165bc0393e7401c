import type { Clock, Logger, ResultsCache, Timers } from '@loki/ports';
import { MemoryResultsCache } from './memory-results-cache.ts';
import { RedisResultsCache } from './redis-results-cache.ts';
import type { RedisCommands } from './redis-results-cache.ts';

// Protects queries from a bad cache: a cache that is full, late, wrong or away costs a query nothing but time
// within its bound.

let nowMs = 0;
const clock: Clock = {
  nowMs: () => nowMs,
  nowNs: () => BigInt(nowMs) * 1_000_000n,
  monotonicMs: () => nowMs,
};
const warnings: string[] = [];
const logger: Logger = {
  debug() {},
  info() {},
  warn: (message) => void warnings.push(message),
  error() {},
  child: () => logger,
};

/** Timers that fire when told to. */
class TestTimers implements Timers {
  readonly due: (() => void)[] = [];

  after(_: number, callback: () => void) {
    this.due.push(callback);
    return { cancel: () => void this.due.splice(this.due.indexOf(callback), 1) };
  }

  sleep(): Promise<void> {
    return Promise.resolve();
  }
}

class TestRedis implements RedisCommands {
  readonly values = new Map<string, Buffer>();
  mode: 'well' | 'silent' | 'failing' = 'well';
  asked = 0;

  async getBuffer(key: string): Promise<Buffer | null> {
    this.asked++;
    if (this.mode === 'silent') return new Promise(() => {});
    if (this.mode === 'failing') throw new Error('no connection');
    return Promise.resolve(this.values.get(key) ?? null);
  }

  async set(key: string, value: Buffer): Promise<unknown> {
    this.asked++;
    if (this.mode === 'silent') return new Promise(() => {});
    if (this.mode === 'failing') throw new Error('no connection');
    this.values.set(key, Buffer.from(value));
    return Promise.resolve('OK');
  }

  disconnect(): void {}
}

const timers = new TestTimers();
const value = (text: string) => Buffer.from(text);
const redisOf = (client: TestRedis, more: { writingBytesMax?: number; valueBytesMax?: number } = {}) =>
  new RedisResultsCache({
    client,
    clock,
    timers,
    logger,
    prefix: 'p/',
    ttlMs: 1000,
    timeoutMs: 500,
    ...more,
  });

beforeEach(() => {
  nowMs = 0;
  warnings.length = 0;
  timers.due.length = 0;
});

const adapters: readonly (readonly [string, () => ResultsCache])[] = [
  ['memory', () => new MemoryResultsCache({ clock, bytesMax: 1 << 20, ttlMs: 1000 })],
  ['Redis', () => redisOf(new TestRedis())],
];

describe.each(adapters)('a cache in %s', (_, make) => {
  test('gives back what was put, in the order asked for', async () => {
    const cache = make();
    cache.put([
      { key: 'a', value: value('1') },
      { key: 'b', value: new Uint8Array() },
    ]);
    const found = await cache.get(['b', 'x', 'a']);
    expect(found.map((each) => each && Buffer.from(each).toString())).toEqual(['', undefined, '1']);
    cache.put([{ key: 'a', value: value('2') }]);
    expect(Buffer.from((await cache.get(['a']))[0]!).toString()).toBe('2');
    expect(await cache.get([])).toEqual([]);
    await cache.close();
  });
});

describe('in memory', () => {
  test('bytes are bounded, and the least recently used go first', async () => {
    const evicted: string[] = [];
    const events = { added() {}, evicted: (reason: string) => void evicted.push(reason), resized() {} };
    const cache = new MemoryResultsCache({ clock, bytesMax: 10_000, ttlMs: 1000, events });
    for (let i = 0; i < 10; i++) {
      cache.put([{ key: `k${i}`, value: new Uint8Array(1000) }]);
      await cache.get(['k0']);
      expect(cache.bytes).toBeLessThanOrEqual(10_000);
    }
    const found = await cache.get(['k0', 'k1', 'k2', 'k9']);
    expect(found.map((each) => each?.length)).toEqual([1000, undefined, undefined, 1000]);
    expect(evicted).toEqual(['full', 'full']);
  });

  test('a value that would take much of the room is not kept', async () => {
    const cache = new MemoryResultsCache({ clock, bytesMax: 10_000, ttlMs: 1000 });
    cache.put([{ key: 'a', value: new Uint8Array(5000) }]);
    expect(await cache.get(['a'])).toEqual([undefined]);
    expect(cache.bytes).toBe(0);
  });

  test('the number of values may be bounded too', async () => {
    const cache = new MemoryResultsCache({ clock, bytesMax: 10_000, itemsMax: 2, ttlMs: 1000 });
    for (const key of ['a', 'b', 'c']) cache.put([{ key, value: value(key) }]);
    expect((await cache.get(['a', 'b', 'c'])).map((each) => each !== undefined)).toEqual([false, true, true]);
  });

  test('values are forgotten after their time', async () => {
    const cache = new MemoryResultsCache({ clock, bytesMax: 10_000, ttlMs: 1000 });
    cache.put([{ key: 'a', value: value('1') }]);
    nowMs = 999;
    expect((await cache.get(['a']))[0]).toBeDefined();
    nowMs = 1000;
    expect((await cache.get(['a']))[0]).toBeUndefined();
    expect(cache.bytes).toBe(0);
  });

  test('a view of a large buffer does not keep the buffer', async () => {
    const cache = new MemoryResultsCache({ clock, bytesMax: 10_000, ttlMs: 1000 });
    cache.put([{ key: 'a', value: new Uint8Array(1 << 20).subarray(5, 15) }]);
    expect((await cache.get(['a']))[0]!.buffer.byteLength).toBe(10);
  });
});

describe('in Redis', () => {
  test('keys stand behind the prefix', () => {
    const client = new TestRedis();
    redisOf(client).put([{ key: 'a', value: value('1') }]);
    expect([...client.values.keys()]).toEqual(['p/a']);
  });

  test('a failing cache returns no value', async () => {
    const client = new TestRedis();
    client.mode = 'failing';
    const cache = redisOf(client);
    cache.put([{ key: 'a', value: value('1') }]);
    expect(await cache.get(['a', 'b'])).toEqual([undefined, undefined]);
  });

  test('one that is silent has nothing when its time is over', async () => {
    const client = new TestRedis();
    client.mode = 'silent';
    const found = redisOf(client).get(['a']);
    for (const fire of timers.due.slice()) fire();
    expect(await found).toEqual([undefined]);
  });

  test('one that fails again and again is left alone for a while, and then tried anew', async () => {
    const client = new TestRedis();
    client.mode = 'failing';
    const cache = redisOf(client);
    for (let i = 0; i < 20; i++) await cache.get(['a']);
    expect(client.asked).toBe(5);
    expect(warnings).toHaveLength(1);
    client.mode = 'well';
    client.values.set('p/a', value('1'));
    nowMs = 10_000;
    expect((await cache.get(['a']))[0]).toEqual(value('1'));
    expect(client.asked).toBe(6);
  });

  test('values on their way are bounded, and large ones are neither written nor believed', async () => {
    const client = new TestRedis();
    const cache = redisOf(client, { writingBytesMax: 25, valueBytesMax: 15 });
    client.mode = 'silent';
    cache.put(['a', 'b', 'c'].map((key) => ({ key, value: new Uint8Array(10) })));
    cache.put([{ key: 'd', value: new Uint8Array(16) }]);
    expect(client.asked).toBe(2);
    client.mode = 'well';
    client.values.set('p/x', Buffer.alloc(16));
    expect(await cache.get(['x'])).toEqual([undefined]);
  });
});
