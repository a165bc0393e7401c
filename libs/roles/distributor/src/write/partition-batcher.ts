/**
 * Collects rows of many pushes into one record of a partition: steps *batch* and *write log* of a written
 * line.
 */
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Clock, Logger, TimerHandle, Timers, Workers, WriteLog } from '@loki/ports';
import type { RowWriter } from '@loki/segment';
import type { DistributorMetrics } from '@loki/telemetry';
import { allOf, apart, batchNamesMax, batchStreamsMax, costsOf, newShare, pushesOf } from './batch.ts';
import type { Batch } from './batch.ts';
import type { ConsumerLag } from './consumer-lag.ts';
import { encodeBatch, isEncodedElsewhere } from './encode-batch.ts';

export interface BatcherOptions {
  /** The longest wait of a batch for expected pushes. 0: each push is a batch. */
  readonly lingerMs: number;
  /** Raw bytes at which a batch is sealed at once. */
  readonly batchBytesMax: number;
}

export interface BatcherDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly workers: Workers;
  readonly writeLog: WriteLog;
  readonly logger: Logger;
  readonly metrics: DistributorMetrics;
  /** This process's identity in the log's records. */
  readonly writerId: string;
  /** Counts unconsumed rows of a head in this process; absent: heads are in other processes. */
  readonly lag?: ConsumerLag;
}

/**
 * A batch of this many raw bytes that is older than the linger is sealed although appends are in progress; a
 * record costs more than a smaller batch saves. Further appends would not shorten the wait: Kafka's appender
 * has five in flight.
 */
const besidesBytesMin = 256 * 1024;
const appendingMax = 5;

/**
 * After this time without a push no expected push is in transit: a nearby client needs less time from its
 * answer to its next push.
 */
const quietMs = 2;

/**
 * The open batch of one partition: rows of all pushes and tenants until it is sealed, compressed and appended
 * as one record (group commit), or several when one would exceed the log's largest record.
 *
 * A lone push is sealed at once. During an append pushes join the next batch, so that the batches
 * grow with the load. When the append ends, its pushes and those that came meanwhile are the clients that
 * push now: they are expected again, and the log waits until they are all there, or none has come for
 * `quietMs`, or the batch is `lingerMs` old. A large batch is sealed in any case, and does not wait for the
 * appends before it to end: the log keeps their order, and a distant broker takes more than a batch in a
 * round trip. Appends begin one after another, in the order of their sequence.
 *
 * A batch that another thread compresses delays only the tenants whose rows it has: a small push beside large
 * ones does not wait for a thread that has less of the processor. Rows of tenants that wrote little leave a
 * batch that would be compressed there, and are appended before the others.
 */
export class PartitionBatcher {
  readonly #partition: number;
  readonly #deps: BatcherDeps;
  readonly #options: BatcherOptions;
  #open: Batch | undefined;
  #linger: TimerHandle | undefined;
  /** Pushes of the last append, and of the batch that was open when it ended. */
  #pushesExpected = 1;
  #sequence = 0;
  /** Batches that another thread is encoding. */
  readonly #encoding = new Set<Batch>();
  /** Batches that are encoded, and not acknowledged yet. */
  readonly #appending = new Set<Batch>();
  /** Resolves when the append of the last batch has begun. */
  #lastHandover: Promise<void> = Promise.resolve();

  constructor(partition: number, deps: BatcherDeps, options: BatcherOptions) {
    this.#partition = partition;
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * The writers for rows of `tenant`. Valid until the next turn of the event loop: write, then call `commit`.
   */
  writer(tenant: TenantId): RowWriter {
    const { shares } = (this.#open ??= this.#begin());
    let share = shares.get(tenant);
    if (!share) shares.set(tenant, (share = newShare(tenant)));
    return share.writer;
  }

  /** Reports the cost for the head of the rows that were just written. */
  wrote(tenant: TenantId, micros: number): void {
    const { lag } = this.#deps;
    const share = this.#open?.shares.get(tenant);
    if (!lag || !share) return;
    share.micros += micros;
    lag.wrote(tenant, micros);
  }

  /**
   * Ends the rows of one push.
   *
   * @returns resolves when the write log has them; rejects with LokiError `logNotAcked`
   */
  commit(tenant: TenantId): Promise<void> {
    const batch = this.#open;
    const share = batch?.shares.get(tenant);
    if (!batch || !share) return Promise.resolve();
    share.pushes++;
    if (this.isLarge || this.#options.lingerMs <= 0) this.#seal();
    else if (this.#isFree(batch)) this.#sealOrWait(batch);
    else if (this.#isWorthAnother(batch)) this.#seal();
    return share.acked.promise;
  }

  /** Whether the open batch is large enough to be sealed at the next commit. */
  get isLarge(): boolean {
    if (!this.#open) return false;
    let bytes = 0;
    let streams = 0;
    let names = 0;
    for (const { writer } of this.#open.shares.values()) {
      bytes += writer.byteSize;
      streams += writer.streamCount;
      names += writer.nameCount;
    }
    const { batchBytesMax } = this.#options;
    return bytes >= batchBytesMax || streams >= batchStreamsMax || names >= batchNamesMax;
  }

  /** Seals the open batch and waits until nothing is in progress. */
  async drain(): Promise<void> {
    if (this.#open) this.#seal();
    while (this.#encoding.size > 0) await Promise.all(Array.from(this.#encoding, ({ encoded }) => encoded));
    const shares = [...this.#appending].flatMap((batch) => [...batch.shares.values()]);
    await Promise.allSettled(shares.map(({ acked }) => acked.promise));
  }

  #begin(): Batch {
    return { shares: new Map(), beganMs: this.#deps.clock.monotonicMs(), encoded: Promise.resolve() };
  }

  /**
   * Whether the batch can be sealed before earlier appends end: the log is distant, and the batch is not
   * small.
   */
  #isWorthAnother(batch: Batch): boolean {
    if (!this.#isOld(batch) || this.#appending.size >= appendingMax) return false;
    if (this.#encodingBefore(batch).length > 0) return false;
    let bytes = 0;
    for (const { writer } of batch.shares.values()) bytes += writer.byteSize;
    return bytes >= besidesBytesMin;
  }

  /** Whether no earlier append or encoding holds the batch back. */
  #isFree(batch: Batch): boolean {
    return this.#appending.size === 0 && this.#encodingBefore(batch).length === 0;
  }

  /** Waits for earlier batches with rows of the same tenants: a tenant's rows stay in order. */
  #encodingBefore({ shares }: Batch): Batch[] {
    return [...this.#encoding].filter((before) => shares.keys().some((tenant) => before.shares.has(tenant)));
  }

  /** Called while no append is in progress. */
  #sealOrWait(batch: Batch): void {
    const pushes = pushesOf(batch);
    if (pushes >= this.#pushesExpected || this.#isOld(batch)) return this.#seal();
    this.#linger ??= this.#deps.timers.after(quietMs, () => {
      this.#linger = undefined;
      if (pushesOf(batch) > pushes) this.#sealOrWait(batch);
      else this.#seal();
    });
  }

  #isOld({ beganMs }: Batch): boolean {
    return this.#deps.clock.monotonicMs() - beganMs >= this.#options.lingerMs;
  }

  #seal(): void {
    this.#linger?.cancel();
    this.#linger = undefined;
    const batch = this.#open;
    if (!batch) return;
    this.#open = undefined;
    for (const part of apart(batch)) this.#encode(part);
  }

  #encode(batch: Batch): void {
    const { workers, writeLog } = this.#deps;
    const writers = Array.from(batch.shares.values(), ({ writer }) => writer);
    const before = this.#encodingBefore(batch);
    const isElsewhere = before.length > 0 || isEncodedElsewhere(writers);
    const payloads = encodeBatch(writers, workers, writeLog.recordBytesMax);
    payloads.catch(() => {}); // #append handles the failure, possibly later
    const append = (): void => {
      this.#encoding.delete(batch);
      const handover = Promise.withResolvers<void>();
      const before = this.#lastHandover;
      this.#lastHandover = handover.promise;
      this.#appending.add(batch);
      void this.#append(
        batch,
        before.then(() => payloads),
        handover.resolve,
      );
    };
    if (!isElsewhere) return append();
    this.#encoding.add(batch);
    batch.encoded = Promise.allSettled([payloads, ...before.map(({ encoded }) => encoded)]).then(append);
  }

  /**
   * Never rejects: the waiting pushes of the batch receive the outcome. `onBegin` is called when all records
   * were passed to the log, in order, before their outcome.
   */
  async #append(batch: Batch, encoded: Promise<readonly Buffer[]>, onBegin: () => void): Promise<void> {
    const { lag, metrics } = this.#deps;
    try {
      const appends = (await encoded).map((payload) => this.#appendRecord(batch, payload));
      onBegin();
      const offsets = await allOf(appends);
      lag?.appended(this.#partition, Math.max(-1, ...offsets), costsOf(batch));
      for (const { acked } of batch.shares.values()) acked.resolve();
    } catch (cause) {
      onBegin();
      lag?.lost(costsOf(batch));
      metrics.appendFailed(this.#partition);
      this.#deps.logger.error('the write log refused a batch', {
        partition: this.#partition,
        pushes: pushesOf(batch),
        error: String(cause),
      });
      const error = new LokiError('logNotAcked', 'the write log did not acknowledge the entries', { cause });
      for (const { acked } of batch.shares.values()) acked.reject(error);
    } finally {
      this.#appending.delete(batch);
      this.#appended(batch);
    }
  }

  async #appendRecord(batch: Batch, payload: Buffer): Promise<number> {
    const { clock, metrics, writeLog, writerId } = this.#deps;
    const startMs = clock.monotonicMs();
    const record = { writerId, sequence: ++this.#sequence, payload };
    // A batch behind a failing append would wait for two time-outs: longer than clients wait.
    const offset = await writeLog.append(this.#partition, record, startMs - batch.beganMs);
    metrics.appended({
      partition: this.#partition,
      seconds: (clock.monotonicMs() - startMs) / 1000,
      bytes: payload.length,
      pushes: pushesOf(batch),
    });
    return offset;
  }

  /** The pushes of the batch, and those that came meanwhile, are expected again. */
  #appended(batch: Batch): void {
    const open = this.#open;
    const openPushes = open ? pushesOf(open) : 0;
    this.#pushesExpected = pushesOf(batch) + openPushes;
    if (open && openPushes > 0 && this.#isFree(open)) this.#sealOrWait(open);
  }
}
