/**
 * Protects acknowledged records from faults of brokers and connections: three real brokers are killed and
 * revived, answers are lost, connections stand still. `LOKI_TEST_KAFKA_CONTROL` breaks them;
 * `npm run test:services` sets it.
 */
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import type { KafkaWriteLogOptions } from './kafka-write-log-options.ts';
import { KafkaWriteLog } from './kafka-write-log.ts';
import { testRecord } from './test/write-log-contract.ts';

const brokers = process.env['LOKI_TEST_KAFKA_BROKERS']?.split(',') ?? [];
const control = process.env['LOKI_TEST_KAFKA_CONTROL'];
const clock = new NodeClock();
const timers = new NodeTimers();
const random = new NodeRandom();
const partitionCount = 6;

function open(more: Partial<KafkaWriteLogOptions> = {}): Promise<KafkaWriteLog> {
  return KafkaWriteLog.open({
    topic: `loki-test-${Buffer.from(random.bytes(6)).toString('hex')}`,
    partitionCount,
    writerBrokers: brokers,
    clientId: 'loki-test',
    clock,
    timers,
    random,
    ...more,
  });
}

async function tell(action: string): Promise<void> {
  const response = await fetch(`${control}/${action}`, { method: 'POST' });
  if (response.status !== 204) throw new Error(await response.text());
}

const dead = new Set<number>();

async function kill(broker: number): Promise<void> {
  dead.add(broker);
  await tell(`kill/${broker}`);
}

async function revive(broker: number): Promise<void> {
  await tell(`revive/${broker}`);
  dead.delete(broker);
}

interface Acked {
  readonly offset: number;
  readonly sequence: number;
  readonly atMs: number;
}

/**
 * One writer for each partition, as a distributor has: the next record follows the outcome of the one before.
 */
class Writers {
  readonly acked: Acked[][] = [];
  readonly failures: { atMs: number; code: unknown }[] = [];
  readonly #stop = new AbortController();
  readonly #work: Promise<void>;
  readonly #ids = Array.from({ length: partitionCount }, () => Buffer.from(random.bytes(16)).toString('hex'));

  constructor(log: KafkaWriteLog) {
    this.#work = Promise.all(this.#ids.map((_, partition) => this.#run(log, partition))).then(
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  count(): number {
    return this.acked.reduce((sum, list) => sum + list.length, 0);
  }

  /** Acknowledgements in a stretch of time. */
  between(fromMs: number, toMs: number): number {
    return this.acked.flat().filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;
  }

  payload(partition: number, sequence: number): Buffer {
    return Buffer.from(`${this.#ids[partition]} ${sequence} `.repeat(100));
  }

  id(partition: number): string {
    return this.#ids[partition];
  }

  async #run(log: KafkaWriteLog, partition: number): Promise<void> {
    const list: Acked[] = (this.acked[partition] = []);
    for (let sequence = 1; !this.#stop.signal.aborted; sequence++) {
      const payload = this.payload(partition, sequence);
      try {
        const offset = await log.append(partition, { writerId: this.#ids[partition], sequence, payload });
        list.push({ offset, sequence, atMs: clock.monotonicMs() });
      } catch (error) {
        const code = (error as { code?: unknown }).code;
        this.failures.push({ atMs: clock.monotonicMs(), code });
        await timers.sleep(50);
      }
    }
  }
}

/**
 * Reads all of the log and judges it: every acknowledged record where it was promised, and once after
 * dropping repeats.
 */
async function judge(log: KafkaWriteLog, writers: Writers): Promise<{ lost: number; repeats: number }> {
  let lost = 0;
  let repeats = 0;
  for (let partition = 0; partition < partitionCount; partition++) {
    const end = await log.endOffset(partition);
    const atOffset = new Map<number, number>();
    const kept = new Set<number>();
    let newest = 0;
    for (let offset = await log.startOffset(partition); offset < end;) {
      for (const record of await log.read(partition, offset, { bytesMax: 1 << 20, waitMs: 5_000 })) {
        expect(record.writerId).toBe(writers.id(partition));
        expect(record.payload.equals(writers.payload(partition, record.sequence))).toBe(true);
        atOffset.set(record.offset, record.sequence);
        if (record.sequence > newest) kept.add((newest = record.sequence));
        else repeats++;
        offset = record.offset + 1;
      }
    }
    for (const { offset, sequence } of writers.acked[partition]) {
      if (atOffset.get(offset) !== sequence || !kept.has(sequence)) lost++;
    }
  }
  return { lost, repeats };
}

if (!control) test.skip('Kafka faults: skipped, LOKI_TEST_KAFKA_CONTROL is not set', () => undefined);
else {
  describe('Kafka in trouble', () => {
    afterEach(async () => {
      for (const broker of [1, 2, 3]) await tell(`link/${broker}/pass`);
      if (dead.size === 0) return;
      for (const broker of dead) await revive(broker);
      await timers.sleep(5_000); // the others take it in again
    });

    test('one broker of three is killed: appends go on; two: all are refused; revived: they go on again; nothing acknowledged is lost', async () => {
      const log = await open({ writeTimeoutMs: 10_000 });
      const writers = new Writers(log);
      const steadyFromMs = clock.monotonicMs();
      await timers.sleep(4_000);
      const steadyPerSecond = writers.count() / 4;

      await kill(1);
      const oneDeadMs = clock.monotonicMs();
      await timers.sleep(20_000);
      // Within the broker's session of 6 s and an election, every partition has a leader again.
      const withTwo = writers.between(oneDeadMs + 10_000, oneDeadMs + 20_000) / 10;
      expect(withTwo).toBeGreaterThan(steadyPerSecond / 3);
      expect(writers.failures).toEqual([]);

      await kill(2);
      const twoDeadMs = clock.monotonicMs();
      await timers.sleep(25_000);
      expect(writers.between(twoDeadMs + 1_000, twoDeadMs + 25_000)).toBe(0);
      expect(writers.failures.length).toBeGreaterThan(0);

      await Promise.all([revive(1), revive(2)]);
      const revivedMs = clock.monotonicMs();
      await timers.sleep(30_000);
      const after = writers.between(revivedMs + 20_000, revivedMs + 30_000) / 10;
      expect(after).toBeGreaterThan(steadyPerSecond / 3);
      await writers.stop();
      expect(new Set(writers.failures.map(({ code }) => code))).toEqual(new Set(['logNotAcked']));

      const verdict = await judge(log, writers);
      report({ acked: writers.count(), failures: writers.failures.length, ...verdict });
      report({ steadyPerSecond, withTwoPerSecond: withTwo, revivedPerSecond: after });
      report({
        firstAckAfterKillMs: gap(writers, oneDeadMs),
        firstAckAfterReviveMs: gap(writers, revivedMs),
      });
      expect(verdict.lost).toBe(0);
      expect(writers.between(steadyFromMs, oneDeadMs)).toBeGreaterThan(0);
      await log.close();
    });

    test('answers that are lost lead to repeats, which carry the same writer and sequence', async () => {
      let repeats = 0;
      // On a slow machine no answer may be under way while a line is mute: further rounds follow.
      for (let attempt = 0; attempt < 8 && repeats === 0; attempt++) repeats = await repeatsOfMuteLines();
      expect(repeats).toBeGreaterThan(0);
    });

    /** Mutes the lines of the brokers in turn; records that the log has twice. */
    async function repeatsOfMuteLines(): Promise<number> {
      const log = await open();
      const writers = new Writers(log);
      for (let round = 0; round < 30; round++) {
        const broker = (round % 3) + 1;
        await tell(`link/${broker}/mute`);
        await timers.sleep(100);
        await tell(`link/${broker}/pass`);
        await timers.sleep(200);
      }
      await writers.stop();
      const verdict = await judge(log, writers);
      report({ acked: writers.count(), failures: writers.failures.length, ...verdict });
      expect(verdict.lost).toBe(0);
      await log.close();
      return verdict.repeats;
    }

    test('a line that stands still costs a deadline, and heals alone', async () => {
      const log = await open({ writeTimeoutMs: 3_000 });
      const start = await log.append(0, testRecord(1));
      for (const broker of [1, 2, 3]) await tell(`link/${broker}/stop`);
      const beganMs = clock.monotonicMs();
      await expect(log.append(0, testRecord(2))).rejects.toMatchObject({ code: 'logNotAcked' });
      const waitedMs = clock.monotonicMs() - beganMs;
      expect(waitedMs).toBeGreaterThan(2_900);
      expect(waitedMs).toBeLessThan(25_000);
      await expect(log.read(0, start + 1, { bytesMax: 1, waitMs: 100 })).rejects.toMatchObject({
        code: 'unavailable',
      });
      for (const broker of [1, 2, 3]) await tell(`link/${broker}/pass`);
      const offset = await retry(() => log.append(0, testRecord(3)));
      const records = await retry(() => log.read(0, offset, { bytesMax: 1, waitMs: 5_000 }));
      expect(records[0].sequence).toBe(3);
      await log.close();
    });

    test('a waiting reader hears of what comes after its broker was lost', async () => {
      const log = await open();
      const offsets = await Promise.all([0, 1, 2, 3, 4, 5].map((p) => log.append(p, testRecord(1))));
      const waiting = offsets.map((offset, p) => readOn(log, p, offset + 1));
      await kill(3);
      await timers.sleep(1_000);
      for (let p = 0; p < partitionCount; p++) await retry(() => log.append(p, testRecord(2)));
      for (const each of waiting) expect((await each).sequence).toBe(2);
      await log.close();
    });
  });
}

/** Reads as an ingester does: again after errors, until there is a record. */
async function readOn(log: KafkaWriteLog, partition: number, offset: number): Promise<{ sequence: number }> {
  for (;;) {
    const records = await retry(() => log.read(partition, offset, { bytesMax: 1, waitMs: 1_000 }));
    if (records.length > 0) return records[0];
  }
}

async function retry<T>(action: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      if (attempt === 100) throw error;
      await timers.sleep(100);
    }
  }
}

/** Milliseconds from a moment to the first acknowledgement of each partition, the slowest one. */
function gap(writers: Writers, fromMs: number): number {
  const firsts = writers.acked.map((list) => list.find(({ atMs }) => atMs > fromMs + 50)?.atMs ?? Infinity);
  return Math.round(Math.max(...firsts) - fromMs);
}

function report(figures: Record<string, number>): void {
  process.stderr.write(`${JSON.stringify(figures)}\n`);
}
