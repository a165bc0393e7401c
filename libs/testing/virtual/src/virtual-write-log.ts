/** A virtual write log that processes share, with faults. */
import { LokiError } from '@loki/model';
import type { LoggedRecord, LogRecord, WriteLog } from '@loki/ports';
import type { Prng } from './prng.ts';
import type { VirtualProcess } from './virtual-process.ts';

/** Faults of the brokers. Probabilities are per call. */
export interface LogFaults {
  /** An append is refused without any effect. */
  appendError: number;
  /** An append is done, but the writer gets an error. */
  ackLost: number;
  /** A record is stored twice: a producer's retry after a lost answer. */
  repeat: number;
  /** A read, or a request for an offset, fails. */
  readError: number;
  /** No broker answers while this is set. */
  down: boolean;
  /** A call takes between these, uniform, one way; a hundredth of calls ten times as long. */
  delayMinMs: number;
  delayMaxMs: number;
}

/** Brokers without faults that answer within 5 ms. */
export const noLogFaults: LogFaults = {
  appendError: 0,
  ackLost: 0,
  repeat: 0,
  readError: 0,
  down: false,
  delayMinMs: 0,
  delayMaxMs: 5,
};

interface Partition {
  /** Records that consumers may see: all in-sync replicas have them. */
  readonly committed: LoggedRecord[];
  /** On the leader only; the next leader may not have it. */
  pending: { readonly record: LogRecord; readonly settle: (offset: number | undefined) => void }[];
  startOffset: number;
  endOffset: number;
  /** Readers that wait for a record. */
  readonly waiting: Set<() => void>;
}

/** After this long without an answer an append has failed for its writer. */
const appendTimeoutMs = 10_000;

/**
 * A partitioned log with Kafka's behaviour, which outlives all processes: appends are visible once they are
 * replicated, a new leader may lack records of the old one, answers get lost, and a request arrives though
 * its sender is dead.
 */
export class VirtualLog {
  faults: LogFaults = { ...noLogFaults };
  /**
   * A planted bug: the leader answers at once, and a change of leader loses the records that it alone has.
   */
  answersEarly = false;
  readonly #random: Prng;
  readonly #partitions: Partition[] = [];

  constructor(random: Prng, partitionCount: number) {
    this.#random = random;
    this.addPartitions(partitionCount);
  }

  get partitionCount(): number {
    return this.#partitions.length;
  }

  addPartitions(count: number): void {
    for (let i = 0; i < count; i++) {
      const empty = {
        committed: [],
        pending: [],
        startOffset: 0,
        endOffset: 0,
        waiting: new Set<() => void>(),
      };
      this.#partitions.push(empty);
    }
  }

  /** The log as one process reaches it. */
  client(process: VirtualProcess): WriteLog {
    return new LogClient(this, process, this.#random.fork(process.name));
  }

  /**
   * Another broker leads: each pending record, from some point on, is lost; its waiting writers get an error.
   */
  moveLeader(id: number): void {
    const partition = this.#partitions[id];
    const keptCount = this.#random.int(0, partition.pending.length);
    const { pending } = partition;
    partition.pending = [];
    pending.forEach(({ record }, i) => {
      if (i < keptCount) this.#commit(partition, record);
    });
    for (const { settle } of pending) settle(undefined);
  }

  partition(id: number): Partition {
    return this.#partitions[id];
  }

  /** The record reaches the leader; `settle` gets its offset, or undefined when its fate is unknown. */
  arrive(
    id: number,
    record: LogRecord,
    settle: (offset: number | undefined) => void,
  ): Partition['pending'][0] {
    const waiting = { record, settle };
    if (this.answersEarly) settle(this.#partitions[id].endOffset);
    this.#partitions[id].pending.push(waiting);
    return waiting;
  }

  /** All replicas have the record, and all earlier ones. */
  replicated(id: number, waiting: Partition['pending'][0]): void {
    const partition = this.#partitions[id];
    const at = partition.pending.indexOf(waiting);
    if (at < 0) return;
    for (const { record, settle } of partition.pending.splice(0, at + 1)) {
      const offset = this.#commit(partition, record);
      if (this.#random.chance(this.faults.repeat)) this.#commit(partition, record);
      settle(this.#random.chance(this.faults.ackLost) ? undefined : offset);
    }
  }

  #commit(partition: Partition, record: LogRecord): number {
    // Offsets need not be dense.
    const offset = partition.endOffset + (this.#random.chance(0.1) ? 1 : 0);
    partition.endOffset = offset + 1;
    partition.committed.push({ ...record, offset });
    for (const wake of partition.waiting) wake();
    return offset;
  }
}

class LogClient implements WriteLog {
  readonly recordBytesMax = 16 << 20;
  readonly #log: VirtualLog;
  readonly #process: VirtualProcess;
  readonly #random: Prng;
  /**
   * One append of each partition is in flight at a time: a writer's records stand in the order of their
   * sequence.
   */
  readonly #tails: Promise<unknown>[] = [];

  constructor(log: VirtualLog, process: VirtualProcess, random: Prng) {
    this.#log = log;
    this.#process = process;
    this.#random = random;
  }

  get partitionCount(): number {
    return this.#log.partitionCount;
  }

  countPartitions(): Promise<number> {
    return this.#ask('log partitions', () => this.#log.partitionCount);
  }

  append(id: number, record: LogRecord): Promise<number> {
    const done = (this.#tails[id] ?? Promise.resolve()).then(() => this.#append(id, record));
    this.#tails[id] = done.catch(() => undefined); // its own caller gets the failure
    return done;
  }

  #append(id: number, record: LogRecord): Promise<number> {
    const copy: LogRecord = { ...record, payload: Buffer.from(record.payload) };
    const process = this.#process;
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => reject(new LokiError('logNotAcked', reason));
      const timer = process.after(appendTimeoutMs, 'append timeout', () =>
        fail('no broker answered in time'),
      );
      const answer = (settle: () => void) =>
        void process.after(this.#delay(), `log answer ${id}`, () => {
          timer.cancel();
          settle();
        });
      process.scheduler.after(this.#delay(), `log append ${id}`, () => {
        const { faults } = this.#log;
        if (faults.down || this.#random.chance(faults.appendError)) {
          return answer(() => fail('the broker refused the record'));
        }
        const waiting = this.#log.arrive(id, copy, (offset) =>
          answer(() => (offset === undefined ? fail('the answer got lost') : resolve(offset))),
        );
        process.scheduler.after(this.#delay(), `log replicate ${id}`, () =>
          this.#log.replicated(id, waiting),
        );
      });
    });
  }

  async read(
    id: number,
    fromOffset: number,
    options: { bytesMax: number; waitMs: number; signal?: AbortSignal },
  ): Promise<LoggedRecord[]> {
    const { signal } = options;
    const untilMs = this.#process.clock.monotonicMs() + options.waitMs;
    for (;;) {
      signal?.throwIfAborted();
      const records = await this.#ask(`log read ${id}`, () => this.#from(id, fromOffset, options.bytesMax));
      const restMs = untilMs - this.#process.clock.monotonicMs();
      if (records.length > 0 || restMs <= 0) return records;
      await this.#news(id, fromOffset, restMs, signal);
    }
  }

  endOffset(id: number): Promise<number> {
    return this.#ask(`log end ${id}`, () => this.#log.partition(id).endOffset);
  }

  startOffset(id: number): Promise<number> {
    return this.#ask(`log start ${id}`, () => this.#log.partition(id).startOffset);
  }

  async truncateBefore(id: number, offset: number): Promise<void> {
    await this.#ask(`log truncate ${id}`, () => {
      const partition = this.#log.partition(id);
      partition.startOffset = Math.max(partition.startOffset, Math.min(offset, partition.endOffset));
      const { committed } = partition;
      const firstKept = committed.findIndex((record) => record.offset >= partition.startOffset);
      committed.splice(0, firstKept < 0 ? committed.length : firstKept);
    });
  }

  async close(): Promise<void> {}

  /** Until there is a record to read, or `waitMs` are over. */
  #news(id: number, fromOffset: number, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const partition = this.#log.partition(id);
    if (partition.endOffset > fromOffset) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = () => {
        partition.waiting.delete(wake);
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const wake = () => {
        done();
        this.#process.after(0, `log news ${id}`, resolve);
      };
      const onAbort = () => {
        done();
        reject(signal!.reason);
      };
      const timer = this.#process.after(waitMs, `log quiet ${id}`, () => {
        done();
        resolve();
      });
      partition.waiting.add(wake);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #from(id: number, fromOffset: number, bytesMax: number): LoggedRecord[] {
    const { committed } = this.#log.partition(id);
    let at = committed.findIndex(({ offset }) => offset >= fromOffset);
    if (at < 0) return [];
    const records: LoggedRecord[] = [];
    for (let bytes = 0; at < committed.length && (records.length === 0 || bytes < bytesMax); at++) {
      bytes += committed[at].payload.length;
      records.push({ ...committed[at], payload: Buffer.from(committed[at].payload) });
    }
    return records;
  }

  #ask<T>(label: string, look: () => T): Promise<T> {
    return this.#process.tell(this.#delay(), label, () => {
      const { faults } = this.#log;
      if (faults.down || this.#random.chance(faults.readError)) {
        throw new LokiError('unavailable', `${label}: no broker answered`);
      }
      return look();
    });
  }

  #delay(): number {
    const { delayMinMs, delayMaxMs } = this.#log.faults;
    const delay = delayMinMs + this.#random.float() * (delayMaxMs - delayMinMs);
    return this.#random.chance(0.01) ? delay * 10 : delay;
  }
}
