/** Protects: batches are sealed and appended within bounds, and each push waits for its own rows. */
import { parseTenantId, Labels } from '@loki/model';
import type { TimerHandle, Timers, Workers } from '@loki/ports';
import { openSegment } from '@loki/segment';
import { distributorMetrics, Metrics } from '@loki/telemetry';
import {
  inlineWorkers,
  quietLogger,
  RecordingLog,
  StoppedClock,
  storedEntries,
} from '../test/distributor.ts';
import { PartitionBatcher } from './partition-batcher.ts';
import type { BatcherOptions } from './partition-batcher.ts';

/** Timers that fire on command. */
class HandTimers implements Timers {
  readonly #waiting = new Set<() => void>();
  after(_delayMs: number, callback: () => void): TimerHandle {
    this.#waiting.add(callback);
    return { cancel: () => this.#waiting.delete(callback) };
  }
  sleep(): Promise<void> {
    return Promise.reject(new Error('not needed'));
  }
  get waiting(): number {
    return this.#waiting.size;
  }
  fire(): void {
    const callbacks = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of callbacks) callback();
  }
}

function setup(options: Partial<BatcherOptions> = {}, workers: Workers = inlineWorkers()) {
  const timers = new HandTimers();
  const clock = new StoppedClock(0);
  const log = new RecordingLog(1);
  const batcher = new PartitionBatcher(
    0,
    {
      clock,
      timers,
      workers,
      writeLog: log,
      logger: quietLogger,
      metrics: distributorMetrics(new Metrics()),
      writerId: 'w',
    },
    { lingerMs: 5, batchBytesMax: 1 << 20, ...options },
  );
  const write = (line: string, tenant = 'a') => {
    const writer = batcher.writer(parseTenantId(tenant));
    writer.beginRun(Labels.fromPairs([['app', tenant]]));
    writer.addRow(1, 0, Buffer.from(line), 0, line.length);
    writer.endRun();
    return batcher.commit(parseTenantId(tenant));
  };
  return { timers, clock, log, batcher, write };
}

/** Lets all that can happen now happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

// A record enters a head in one turn: 60,000 streams held everything up for 200 ms.
test('a batch is sealed when it has many streams, however few bytes they are', async () => {
  const { batcher, log } = setup();
  const acks: Promise<void>[] = [];
  for (let i = 0; i < 10_000; i++) {
    const writer = batcher.writer(parseTenantId('a'));
    writer.beginRun(Labels.fromPairs([['n', `${i}`]]));
    writer.addRow(1, 0, Buffer.from('x'), 0, 1);
    writer.endRun();
    if (batcher.isLarge) acks.push(batcher.commit(parseTenantId('a')));
  }
  acks.push(batcher.commit(parseTenantId('a')));
  await batcher.drain();
  await Promise.all(acks);
  const counts = log.records.map(({ record }) => openSegment(record.payload).sections[0].streams.count);
  expect(counts).toEqual([4096, 4096, 1808]);
});

test('a batch is sealed when it has many names of metadata', async () => {
  const { batcher, log } = setup();
  const acks: Promise<void>[] = [];
  for (let i = 0; i < 5_000; i++) {
    const writer = batcher.writer(parseTenantId('a'));
    writer.beginRun(Labels.fromPairs([['app', 'a']]));
    writer.addRow(1, i, Buffer.from('x'), 0, 1);
    writer.addMetadata(`name${i}`, 'v');
    writer.endRun();
    if (batcher.isLarge) acks.push(batcher.commit(parseTenantId('a')));
  }
  acks.push(batcher.commit(parseTenantId('a')));
  await batcher.drain();
  await Promise.all(acks);
  const counts = log.records.map(({ record }) => openSegment(record.payload).sections[0].rowCount);
  expect(counts).toEqual([2048, 2048, 904]);
});

test('an idle log is written at once: one client, one push after the other, waits for no timer', async () => {
  const { timers, log, write } = setup();
  for (let i = 1; i <= 5; i++) {
    await write(String(i));
    expect(log.records).toHaveLength(i);
  }
  expect(timers.waiting).toBe(0);
});

test('pushes of several tenants during an append share the next record, and all wait for it', async () => {
  const { timers, log, write } = setup();
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const acks = [write('w'), write('x'), write('y', 'b'), write('z')];
  await settle();
  expect(log.records).toHaveLength(0);
  gate.resolve();
  await acks[0];
  timers.fire();
  await Promise.all(acks);
  expect(log.records.map(({ record }) => [record.writerId, record.sequence])).toEqual([
    ['w', 1],
    ['w', 2],
  ]);
  expect(storedEntries(log).map(({ tenant, line }) => [tenant, line])).toEqual([
    ['a', 'w'],
    ['a', 'x'],
    ['a', 'z'],
    ['b', 'y'],
  ]);
});

/** Three clients: one push is written alone, two gather meanwhile; the first append has ended. */
async function threeClients(options: Partial<BatcherOptions> = {}) {
  const world = setup(options);
  const gate = Promise.withResolvers<void>();
  world.log.gate = gate.promise;
  const first = world.write('1');
  const others = [world.write('2'), world.write('3')];
  await settle();
  gate.resolve();
  await first;
  await settle();
  return { ...world, others };
}

function linesByRecord(log: RecordingLog): string[][] {
  return log.records.map((record) => storedEntries({ records: [record] }).map(({ line }) => line));
}

test('the clients that an append answered are expected again: their pushes join those that came meanwhile', async () => {
  const { timers, log, write, others } = await threeClients();
  expect(log.records).toHaveLength(1);
  // No timer fires: the third push completes the batch.
  await Promise.all([write('4'), ...others]);
  expect(linesByRecord(log)).toEqual([['1'], ['2', '3', '4']]);
  const again = [write('5'), write('6')];
  await settle();
  expect(log.records).toHaveLength(2);
  await Promise.all([write('7'), ...again]);
  expect(linesByRecord(log)[2]).toEqual(['5', '6', '7']);
  expect(timers.waiting).toBe(0);
});

test('when no push comes for a while the batch goes without it, and a lone client waits no more', async () => {
  const { timers, log, write, others } = await threeClients();
  timers.fire();
  await Promise.all(others);
  expect(linesByRecord(log)).toEqual([['1'], ['2', '3']]);
  const lone = write('4');
  timers.fire();
  await lone;
  await write('5');
  expect(linesByRecord(log).slice(2)).toEqual([['4'], ['5']]);
  expect(timers.waiting).toBe(0);
});

test('while pushes keep coming the batch waits on, until it is old', async () => {
  const { timers, clock, log, write, others } = await threeClients();
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const acks = [...others, ...Array.from({ length: 6 }, (_, i) => write(`more ${i}`))];
  gate.resolve();
  await settle();
  const before = log.records.length;
  acks.push(write('a'));
  timers.fire();
  await settle();
  expect(log.records).toHaveLength(before);
  acks.push(write('b'));
  clock.ms += 5;
  timers.fire();
  await Promise.all(acks);
  expect(linesByRecord(log).at(-1)).toContain('b');
});

test('what gathered for longer than the linger goes when the append ends', async () => {
  const { timers, clock, log, write } = setup();
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const acks = [write('1'), write('2')];
  await settle();
  clock.ms += 5;
  gate.resolve();
  await Promise.all(acks);
  expect(linesByRecord(log)).toEqual([['1'], ['2']]);
  expect(timers.waiting).toBe(0);
});

test('without a linger each push is a batch', async () => {
  const { log, write } = setup({ lingerMs: 0 });
  await Promise.all([write('1'), write('2'), write('3')]);
  expect(linesByRecord(log)).toEqual([['1'], ['2'], ['3']]);
});

test('a large batch is sealed at once; records keep their order', async () => {
  const { log, write } = setup({ batchBytesMax: 100 });
  await Promise.all(Array.from({ length: 5 }, (_, i) => write(String(i).repeat(100))));
  expect(log.records.map(({ record }) => record.sequence)).toEqual([1, 2, 3, 4, 5]);
  expect(storedEntries(log).map(({ line }) => line[0])).toEqual(['0', '1', '2', '3', '4']);
});

test('large batches go while the ones before them are under way, in order; a failed one fails itself alone', async () => {
  const { log, write } = setup({ batchBytesMax: 100 });
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const acks = Array.from({ length: 4 }, (_, i) => write(String(i).repeat(100)));
  await settle();
  expect(log.waitedMs).toHaveLength(4);
  expect(log.records).toHaveLength(0);
  log.failing = 2;
  gate.resolve();
  const outcomes = await Promise.allSettled(acks);
  expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, true]);
  expect(log.records.map(({ record }) => record.sequence)).toEqual([1, 3, 4]);
});

test('a batch that is not small goes beside appends once it is older than the linger, and a small one waits', async () => {
  const { clock, timers, log, write } = setup();
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const piece = 'x'.repeat(20_000);
  const acks = [write('first')];
  await settle();
  acks.push(write('small'));
  clock.ms += 10;
  acks.push(write('small, too'));
  await settle();
  expect(log.waitedMs).toHaveLength(1);
  for (let i = 0; i < 14; i++) acks.push(write(piece));
  await settle();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(log.waitedMs.length).toBeGreaterThan(1);
  gate.resolve();
  await settle();
  timers.fire();
  await Promise.all(acks);
  expect(storedEntries(log).map(({ line }) => line.slice(0, 5))).toContain('small');
});

test('a failed append fails all that waited for it, and the next one is tried', async () => {
  const { timers, log, write } = setup();
  log.isBroken = true;
  const lost = Promise.allSettled([write('1'), write('2')]);
  await settle();
  timers.fire();
  expect((await lost).map((result) => (result as PromiseRejectedResult).reason.code)).toEqual([
    'logNotAcked',
    'logNotAcked',
  ]);
  log.isBroken = false;
  await write('3');
  expect(storedEntries(log).map(({ line }) => line)).toEqual(['3']);
});

test('the time behind an append that the log does not take counts: no push waits for two time-outs', async () => {
  const { timers, clock, log, write } = setup();
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const acks = [write('1'), write('2')];
  await settle();
  clock.ms += 8_000;
  gate.resolve();
  await settle();
  timers.fire();
  await Promise.all(acks);
  expect(log.waitedMs).toEqual([0, 8_000]);
});

test('drain appends the open batches', async () => {
  const { log, batcher, write } = setup();
  const acks = [write('x'), write('y')];
  await batcher.drain();
  await Promise.all(acks);
  expect(log.records).toHaveLength(2);
});

test('a batch that is larger than the log takes becomes several records, in order; all wait for the last', async () => {
  const { timers, log, write } = setup();
  log.recordBytesMax = 6_000;
  let seed = 1;
  const noise = () =>
    Array.from({ length: 1_000 }, () => {
      seed = (Math.imul(seed, 48_271) + 11) >>> 0;
      return String.fromCharCode(33 + (seed % 94));
    }).join('');
  const lines = Array.from({ length: 40 }, (_, i) => `${i} ${noise()}`);
  const acks = lines.map((line) => write(line));
  await settle();
  timers.fire();
  await Promise.all(acks);
  expect(log.records.length).toBeGreaterThan(5);
  expect(log.records.map(({ record }) => record.sequence)).toEqual(log.records.map((_, i) => i + 1));
  expect(storedEntries(log).map(({ line }) => line)).toEqual(lines);
});

/** Workers that begin a task on command. */
function heldWorkers() {
  const inline = inlineWorkers();
  const held: (() => void)[] = [];
  const workers: Workers = {
    parallelism: 1,
    run: async (task, input, options) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return inline.run(task, input, options);
    },
    close: () => inline.close(),
  };
  return { workers, held };
}

const large = 'x'.repeat(64 * 1024);

test('a small push does not wait for the large batch of another tenant to be compressed', async () => {
  const { workers, held } = heldWorkers();
  const { log, write } = setup({}, workers);
  const slow = write(large, 'noisy');
  await write('small', 'quiet');
  expect(log.records.map(({ record }) => record.sequence)).toEqual([1]);
  held[0]();
  await slow;
  expect(log.records.map(({ record }) => record.sequence)).toEqual([1, 2]);
});

// Both joined the open batch while an append was under way, and the small push waited for the thread.
test('a small push does not wait for the large push of another tenant in the same batch', async () => {
  const { workers, held } = heldWorkers();
  const { timers, log, write } = setup({}, workers);
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const first = write('first');
  await settle();
  const slow = write(large, 'noisy');
  const small = write('small', 'quiet');
  gate.resolve();
  await first;
  await settle();
  timers.fire();
  await small;
  expect(storedEntries(log).map(({ line }) => line)).toEqual(['first', 'small']);
  held[0]();
  await slow;
  expect(storedEntries(log)).toHaveLength(3);
});

test('pushes of one tenant stay in their order, however long each is compressed', async () => {
  const { workers, held } = heldWorkers();
  const { log, batcher, write } = setup({ batchBytesMax: 32 * 1024 }, workers);
  const acks = [write(`1${large}`, 'noisy'), write(`2${large}`, 'noisy'), write('3', 'noisy')];
  held[1]();
  await settle();
  expect(log.records).toHaveLength(0);
  held[0]();
  await batcher.drain();
  await Promise.all(acks);
  expect(storedEntries(log).map(({ line }) => line[0])).toEqual(['1', '2', '3']);
});

test('a batcher that is drained has appended what another thread compressed', async () => {
  const { workers, held } = heldWorkers();
  const { log, batcher, write } = setup({}, workers);
  const ack = write(large);
  const drained = batcher.drain();
  await settle();
  held[0]();
  await Promise.all([drained, ack]);
  expect(log.records).toHaveLength(1);
});
