import { parseTenantId } from '@loki/model';
import type { TimerHandle, Timers } from '@loki/ports';
import { distributorMetrics, Metrics } from '@loki/telemetry';
import { type BatcherOptions, PartitionBatcher } from './batcher.ts';
import { inlineWorkers, quietLogger, RecordingLog, StoppedClock, storedEntries } from './test-distributor.ts';
import { Labels } from '@loki/model';

/** Timers that fire when they are told to. */
class HandTimers implements Timers {
  readonly #waiting = new Set<() => void>();
  after(_delayMs: number, callback: () => void): TimerHandle {
    this.#waiting.add(callback);
    return { cancel: () => this.#waiting.delete(callback) };
  }
  sleep(): Promise<void> {
    return Promise.reject(new Error('not needed'));
  }
  fire(): void {
    const callbacks = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of callbacks) callback();
  }
}

function setup(options: Partial<BatcherOptions> = {}) {
  const timers = new HandTimers();
  const log = new RecordingLog(1);
  const batcher = new PartitionBatcher(
    0,
    {
      clock: new StoppedClock(0),
      timers,
      workers: inlineWorkers(),
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
    return batcher.commit();
  };
  return { timers, log, batcher, write };
}

/** Lets all that can happen now happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

test('pushes of several tenants within the linger share one record, and all wait for it', async () => {
  const { timers, log, write } = setup();
  const acks = [write('x'), write('y', 'b'), write('z')];
  expect(log.records).toHaveLength(0);
  timers.fire();
  await Promise.all(acks);
  expect(log.records.map(({ record }) => [record.writerId, record.sequence])).toEqual([['w', 1]]);
  expect(storedEntries(log).map(({ tenant, line }) => [tenant, line])).toEqual([
    ['a', 'x'],
    ['a', 'z'],
    ['b', 'y'],
  ]);
});

test('while an append is under way pushes gather, and go with the next one', async () => {
  const { timers, log, write } = setup();
  const gate = Promise.withResolvers<void>();
  log.gate = gate.promise;
  const first = write('1');
  timers.fire();
  await settle();
  const second = write('2');
  timers.fire();
  const third = write('3');
  await settle();
  expect(log.records).toHaveLength(0);
  gate.resolve();
  await Promise.all([first, second, third]);
  expect(log.records.map(({ record }) => record.sequence)).toEqual([1, 2]);
});

test('a large batch is sealed at once; records keep their order', async () => {
  const { log, write } = setup({ batchBytesMax: 100 });
  await Promise.all(Array.from({ length: 5 }, (_, i) => write(String(i).repeat(100))));
  expect(log.records.map(({ record }) => record.sequence)).toEqual([1, 2, 3, 4, 5]);
  expect(storedEntries(log).map(({ line }) => line[0])).toEqual(['0', '1', '2', '3', '4']);
});

test('a failed append fails all that waited for it, and the next one is tried', async () => {
  const { timers, log, write } = setup();
  log.isBroken = true;
  const lost = Promise.allSettled([write('1'), write('2')]);
  timers.fire();
  expect((await lost).map((result) => (result as PromiseRejectedResult).reason.code)).toEqual([
    'logNotAcked',
    'logNotAcked',
  ]);
  log.isBroken = false;
  const kept = write('3');
  timers.fire();
  await kept;
  expect(storedEntries(log).map(({ line }) => line)).toEqual(['3']);
});

test('drain appends what lingers', async () => {
  const { log, batcher, write } = setup();
  const ack = write('x');
  await batcher.drain();
  await ack;
  expect(log.records).toHaveLength(1);
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
  timers.fire();
  await Promise.all(acks);
  expect(log.records.length).toBeGreaterThan(5);
  expect(log.records.map(({ record }) => record.sequence)).toEqual(log.records.map((_, i) => i + 1));
  expect(storedEntries(log).map(({ line }) => line)).toEqual(lines);
});
