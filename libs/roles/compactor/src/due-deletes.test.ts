/**
 * Protects: a delete request is carried out in the first round that finds it due and its rows flushed, on an
 * open day too. No wait for the age of segments, for later pushes, or for another request that fails.
 */
import type { DeleteRequest } from '@loki/catalog';
import { hourNs } from '@loki/model';
import type { CompactorDeps, CompactorOptions } from './deps.ts';
import { epochNs, TestWorld } from './test/world.ts';

const epochMs = Number(epochNs / 1_000_000n);
const dayMs = 86_400_000;

/** One partition is written to; its compactor sees where the log ends. */
class OpenDay extends TestWorld {
  records = 0;
  readonly #compactor: ReturnType<TestWorld['compactor']>['compactor'];

  constructor(options: Partial<CompactorOptions> = {}, deps: Partial<CompactorDeps> = {}) {
    super(7);
    const endOffset = (partition: number) => Promise.resolve(partition === 0 ? this.records : 0);
    this.#compactor = this.compactor(
      { removesRows: true, cancelPeriodMs: 0, settleMs: 120_000, fanIn: 12, ...options },
      { writeLog: { endOffset }, ...deps },
    ).compactor;
  }

  /** A line at noon of a day, counted from today. */
  push(line: string, day = 0, tenant = 'a'): void {
    this.append([{ tenant, stream: 0, ts: epochNs + BigInt(24 * day + 12) * hourNs, line }]);
    this.records++;
  }

  request(query: string, from = 0, to = 1, { tenant = 'a', id = 'r1', parts = 1 } = {}): Promise<void> {
    const [startMs, endMs] = [epochMs + from * dayMs, epochMs + to * dayMs - 1];
    return this.do(this.requests.create(tenant, { id, query, startMs, endMs, parts }));
  }

  async round(): Promise<void> {
    await this.do(this.#compactor.runOnce());
    await this.do(this.requests.load());
  }

  result(tenant = 'a', id = 'r1'): DeleteRequest | undefined {
    return this.requests.state.request(tenant, id);
  }

  isDone(tenant = 'a', id = 'r1'): boolean {
    return this.result(tenant, id)?.processedMs !== undefined;
  }

  /** Lines that the store holds, without anything hidden. */
  async stored(): Promise<string[]> {
    await this.do(this.reader.refresh());
    const refs = this.reader.segmentsFor('a', epochNs - 40n * 24n * hourNs, epochNs + 48n * hourNs);
    return [...new Set(refs.map(({ key }) => key))].flatMap((key) => this.linesOf(key)).sort();
  }
}

test.each([
  ['an open day', 0],
  ['yesterday, which is not closed yet', -1],
  ['a day that is closed', -9],
])('flushed a moment ago, on %s: carried out at once', async (_, day) => {
  const world = new OpenDay();
  world.push('secret', day);
  world.push('fine', day);
  await world.request('{app="a0"} |= "secret"', day, day + 1);
  await world.flush(0);
  await world.round();
  expect(world.isDone()).toBe(true);
  expect(await world.stored()).toEqual(['fine']);
});

test('rows that compaction merged before, and rows that came since: both leave', async () => {
  const world = new OpenDay({ fanIn: 2, settleMs: 0 });
  for (const line of ['secret 1', 'fine 1']) {
    world.push(line);
    await world.flush(0);
  }
  await world.round();
  world.push('secret 2');
  world.push('fine 2');
  await world.flush(0);
  await world.request('{app="a0"} |= "secret"');
  await world.round();
  expect(world.isDone()).toBe(true);
  expect(await world.stored()).toEqual(['fine 1', 'fine 2']);
});

test('what is pushed after the first look at a request does not hold it up', async () => {
  const world = new OpenDay();
  world.push('secret');
  await world.request('{app="a0"} |= "secret"');
  await world.round();
  expect(world.isDone()).toBe(false);
  await world.flush(0);
  world.push('later');
  await world.round();
  expect(world.isDone()).toBe(true);
});

test('the cancel period is waited for; what was pushed meanwhile does not count', async () => {
  const world = new OpenDay({ cancelPeriodMs: 60_000 });
  world.push('secret');
  await world.flush(0);
  await world.request('{app="a0"} |= "secret"');
  await world.round();
  expect(world.isDone()).toBe(false);
  world.push('later');
  await world.pass(61_000);
  await world.round();
  expect(world.isDone()).toBe(true);
});

test('heads that hold rows of a due request are flushed for it, once', async () => {
  let flushes = 0;
  const world: OpenDay = new OpenDay({}, { flush: () => (flushes++, world.flushHead(0)) });
  world.push('secret');
  await world.request('{app="a0"} |= "secret"');
  await world.round();
  expect([world.isDone(), flushes]).toEqual([true, 1]);
  world.push('more');
  await world.round();
  expect(flushes).toBe(1);
});

test('a flush that fails is tried again in the next round', async () => {
  let attempts = 0;
  const flush = async () => {
    if (++attempts === 1) throw new Error('an ingester is away');
    await world.flushHead(0);
  };
  const world: OpenDay = new OpenDay({}, { flush });
  world.push('secret');
  await world.request('{app="a0"} |= "secret"');
  await world.round();
  expect(world.isDone()).toBe(false);
  await world.round();
  expect(world.isDone()).toBe(true);
});

test('a request that fails does not stop the others', async () => {
  const world = new OpenDay();
  world.push('secret', -5);
  await world.flush(0);
  world.push('secret', 0, 'b');
  await world.flush(0);
  await world.request('{app="a0"}', -5, -4);
  await world.request('{app="a0"}', 0, 1, { tenant: 'b' });
  const [damaged] = world.keys('segments/0/0-1');
  world.bucket.objects.set(damaged, Buffer.from('no segment'));
  await world.round();
  expect([world.isDone('a'), world.isDone('b')]).toEqual([false, true]);
  expect(world.errors.join()).toContain('a delete request failed');
});

test('a request over years in parts of a day adds an entry only for parts that have rows', async () => {
  const world = new OpenDay();
  for (const day of [-30, -3, 0]) {
    world.push(`secret ${day}`, day);
    world.push(`fine ${day}`, day);
    await world.flush(0);
  }
  await world.request('{app="a0"} |= "secret"', -20_000, 1, { parts: 20_001 });
  await world.round();
  expect(world.result()).toMatchObject({ partsDone: 20_001 });
  expect(world.isDone()).toBe(true);
  expect(await world.stored()).toEqual(['fine -3', 'fine -30', 'fine 0']);
  // A day may reach into two parts.
  expect(world.keys('deletes/log/').length).toBeLessThanOrEqual(1 + 2 * 3);
});

/** Protects: deleted rows in the output of a faster merge would come back once the request counts as done. */
test('a merge of another compactor during the removal: the request waits for the next round', async () => {
  const others: (() => Promise<unknown>)[] = [];
  const simHook = async (point: string): Promise<void> => {
    if (point === 'compact.afterVerify') await others.pop()?.();
  };
  const world: OpenDay = new OpenDay({ fanIn: 2, settleMs: 0 }, { simHook });
  const other = world.compactor({ fanIn: 2, settleMs: 0 }).compactor;
  for (const line of ['secret 1', 'fine 1']) {
    world.push(line, -9);
    await world.flush(0);
  }
  await world.round();
  await world.request('{app="a0"} |= "secret"', -9, -8);
  // As many bytes as the stored rows: the merge takes both.
  const lateLines = ['late and long 1', 'late and long 2'];
  others.push(async () => {
    for (const line of lateLines) world.push(line, -9);
    await world.flushHead(0);
    await other.runOnce();
  });
  await world.round();
  expect(others).toEqual([]);
  expect([world.isDone(), await world.stored()]).toEqual([false, ['fine 1', ...lateLines, 'secret 1']]);
  await world.round();
  expect(world.isDone()).toBe(true);
  expect(await world.stored()).toEqual(['fine 1', ...lateLines]);
});

test('partitions that were added since the last look at their number are waited for, too', async () => {
  let partitionCount = 1;
  const world: OpenDay = new OpenDay(
    {},
    {
      partitions: () => world.reader.partitions().slice(0, partitionCount),
      currentPartitions: async () => void (partitionCount = 2),
      writeLog: { endOffset: async (partition) => partition },
    },
  );
  await world.request('{app="a1"} |= "secret"');
  await world.round();
  expect(world.isDone()).toBe(false);
});
