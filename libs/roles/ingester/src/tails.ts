/** Followers of one partition: new records for tails. */
import { matchesLabels } from '@loki/logql';
import { LokiError } from '@loki/model';
import { emptyLogResult } from '@loki/ports';
import type { LeafRequest, LogLeafRequest, TailFrame } from '@loki/ports';
import { openSegment } from '@loki/segment';
import type { PartitionDeps } from './deps.ts';
import { HeadRecord } from './head-record.ts';
import type { PartitionProgress } from './partition-progress.ts';
import { selectionOfLeaf } from './select.ts';
import type { HeadSelection } from './select.ts';
import { scanFrame } from './serve.ts';
import { StreamFilter } from './stream-filter.ts';

/** All followers of one partition. */
export class Tails {
  readonly #partition: number;
  readonly #deps: PartitionDeps;
  readonly #tails = new Set<Tail>();

  constructor(partition: number, deps: PartitionDeps) {
    this.#partition = partition;
    this.#deps = deps;
  }

  /** A record entered the head. Costs nothing without followers. */
  onRecord(record: HeadRecord): void {
    for (const tail of this.#tails) tail.offer(record);
  }

  /** All records below `offset` have been consumed. */
  onConsumed(offset: number): void {
    for (const tail of this.#tails) tail.passed(offset);
  }

  /** The head has dropped all records below: unread ones stay in memory for their follower alone. */
  onCommitted(committedOffset: number): void {
    for (const tail of this.#tails) tail.releaseBelow(committedOffset);
  }

  /**
   * Follows from now on, or from `fromOffset` on, where another owner's frames ended. Ends when the signal
   * aborts or the reader stops.
   */
  follow(
    progress: PartitionProgress,
    request: LeafRequest,
    { signal, fromOffset }: { signal: AbortSignal; fromOffset?: number },
  ): AsyncIterable<TailFrame> {
    if (request.kind !== 'log') throw new LokiError('badRequest', 'only log queries can be followed');
    if (this.#tails.size >= this.#deps.options.tailsMax) {
      throw new LokiError('tooManyRequests', 'max concurrent tail requests limit exceeded');
    }
    const from = fromOffset ?? progress.consumedOffset;
    const tail = new Tail(selectionOfLeaf(request), from, this.#deps, () => this.#tails.size);
    this.#tails.add(tail);
    // No await since the tail was added: it misses no record, and gets none twice.
    const { committedOffset } = progress;
    for (const record of progress.head.records) tail.offer(record);
    tail.passed(progress.consumedOffset);
    const begins = { fromOffset: from, missedBelow: committedOffset };
    const onAbort = () => tail.end();
    if (signal.aborted) tail.end();
    else signal.addEventListener('abort', onAbort, { once: true });
    const frames = this.#frames(tail, request, signal, begins);
    const leave = () => {
      this.#tails.delete(tail);
      signal.removeEventListener('abort', onAbort);
    };
    return closing(frames, leave, () => tail.end());
  }

  /** Ends all tails: the partition is released. */
  close(): void {
    for (const tail of this.#tails) tail.end();
  }

  async *#frames(
    tail: Tail,
    request: LogLeafRequest,
    signal: AbortSignal,
    { fromOffset, missedBelow }: { fromOffset: number; missedBelow: number },
  ): AsyncGenerator<TailFrame> {
    // Every line of the new records, in order of arrival: the limit is applied by the reader, not to each
    // batch.
    const all = { ...request, direction: 'forward', limit: 0 } as const;
    const missed = fromOffset < missedBelow ? await this.#readAgain(fromOffset, missedBelow, signal) : [];
    if (missed.length === 0) yield emptyFrame(fromOffset);
    while (missed.length > 0) {
      const records = takeFrame(missed, request.tenant, this.#deps.options.tailFrameBytes);
      const result = await scanFrame(
        this.#deps,
        { records, partition: this.#partition, request: all },
        signal,
      );
      yield { result, dropped: 0, nextOffset: missed[0]?.offset ?? missedBelow };
    }
    // The generator pauses between two frames, and holds nothing of the last one.
    while (await tail.hasNext()) yield await this.#frameOf(tail.take(), all, signal);
  }

  async #frameOf(
    { records, dropped, nextOffset }: TailBatch,
    request: LogLeafRequest,
    signal: AbortSignal,
  ): Promise<TailFrame> {
    if (records.length === 0) return { ...emptyFrame(nextOffset), dropped };
    const leaf = { records, partition: this.#partition, request };
    return { result: await scanFrame(this.#deps, leaf, signal), dropped, nextOffset };
  }

  /**
   * Reads committed records from the log, as far as the log still has them and a follower may lag: seconds
   * pass between the end of one owner and the start of the next. Repeated entries are returned twice.
   */
  async #readAgain(fromOffset: number, toOffset: number, signal: AbortSignal): Promise<HeadRecord[]> {
    const { writeLog, options, clock, logger } = this.#deps;
    const missed: HeadRecord[] = [];
    let bytesMax = options.tailBytesMax;
    try {
      for (let offset = fromOffset; offset < toOffset && bytesMax > 0;) {
        const records = await writeLog.read(this.#partition, offset, {
          bytesMax,
          waitMs: readAgainMs,
          signal,
        });
        if (records.length === 0) break;
        for (const { offset: at, payload } of records) {
          offset = at + 1;
          bytesMax -= payload.length;
          if (at < toOffset) missed.push(new HeadRecord(at, openSegment(payload), clock.monotonicMs()));
        }
      }
    } catch (error) {
      if (signal.aborted) throw error;
      logger.warn('a tail has a gap: its former owner had unsent frames', { err: String(error) });
    }
    return missed;
  }
}

/** A record in the log is read at once. */
const readAgainMs = 100;

/** A frame without lines: it moves the follower's offset. */
function emptyFrame(nextOffset: number): TailFrame {
  return { result: emptyLogResult(), dropped: 0, nextOffset };
}

/** After this many records without a line, a follower gets its new offset all the same. */
const quietRecordsMax = 200;

interface TailBatch {
  readonly records: HeadRecord[];
  readonly dropped: number;
  readonly nextOffset: number;
}

/** Share of a follower's bound for records that the head has dropped. */
const committedShare = 4;

/**
 * The unread records of one follower: references to head records, so that its bound is the only memory it may
 * hold.
 */
class Tail {
  readonly #tenant: string;
  readonly #filter: StreamFilter;
  /** Number of followers of the partition. */
  readonly #followers: () => number;
  readonly #deps: PartitionDeps;
  #records: HeadRecord[] = [];
  #bytes = 0;
  #dropped = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  /** All records below were offered. */
  #nextOffset: number;
  /** The last offset that the follower was sent. */
  #toldOffset: number;

  constructor(selection: HeadSelection, fromOffset: number, deps: PartitionDeps, followers: () => number) {
    this.#followers = followers;
    this.#tenant = selection.tenant;
    this.#filter = new StreamFilter(selection.matchers);
    this.#nextOffset = fromOffset;
    this.#toldOffset = fromOffset;
    this.#deps = deps;
  }

  /**
   * Keeps the record if the follower may want lines of it; the oldest ones are dropped when it lags too far.
   */
  offer(record: HeadRecord): void {
    if (this.#ended || record.offset < this.#nextOffset) return;
    // Records of other tenants may be behind: see `passed`.
    if (!record.segment.section(this.#tenant)) return;
    this.#nextOffset = record.offset + 1;
    if (this.#rowsOf(record) === 0) {
      if (this.#isQuiet) this.#wake?.();
      return;
    }
    this.#records.push(record);
    this.#bytes += record.bytes.length;
    while (this.#bytes > this.#deps.options.tailBytesMax && this.#records.length > 1) this.#dropOldest();
    this.#wake?.();
  }

  /** Drops the oldest of the records below, except some that a follower which keeps up is about to read. */
  releaseBelow(offset: number): void {
    const { options, ownedCount } = this.#deps;
    const bytesMax = options.tailBytesMax / committedShare / Math.max(1, ownedCount());
    let bytes = 0;
    for (const record of this.#records) if (record.offset < offset) bytes += record.bytes.length;
    while (bytes > bytesMax) bytes -= this.#dropOldest();
    this.#wake?.();
  }

  /** @returns its bytes */
  #dropOldest(): number {
    const oldest = this.#records.shift()!;
    const { length } = oldest.bytes;
    this.#bytes -= length;
    const rows = this.#rowsOf(oldest);
    this.#dropped += rows;
    this.#deps.metrics.tailDropped(rows);
    return length;
  }

  /** Waits for a record or an offset to send; false at the end. */
  async hasNext(): Promise<boolean> {
    while (this.#records.length === 0 && this.#dropped === 0 && !this.#isQuiet && !this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    return !this.#ended;
  }

  /** No record below `offset` is still to come. */
  passed(offset: number): void {
    if (this.#ended || offset <= this.#nextOffset) return;
    this.#nextOffset = offset;
    if (this.#isQuiet) this.#wake?.();
  }

  /** A frame of the oldest waiting records. */
  take(): TailBatch {
    const records = takeFrame(this.#records, this.#tenant, this.#deps.options.tailFrameBytes);
    for (const { bytes } of records) this.#bytes -= bytes.length;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#toldOffset = this.#records[0]?.offset ?? this.#nextOffset;
    return { records, dropped, nextOffset: this.#toldOffset };
  }

  /**
   * Rows of the selected streams in a record: the follower's loss, before its line filters, when the record
   * is dropped.
   */
  #rowsOf(record: HeadRecord): number {
    const section = record.segment.section(this.#tenant);
    if (!section) return 0;
    const matchers = this.#filter.forRecord(this.#followers());
    let rows = 0;
    for (let stream = 0; stream < section.streams.count; stream++) {
      const labels = section.streams.labels(stream);
      if (matchesLabels(matchers, labels)) rows += section.streams.entries(stream);
    }
    return rows;
  }

  get #isQuiet(): boolean {
    return this.#nextOffset - this.#toldOffset >= quietRecordsMax;
  }

  end(): void {
    this.#ended = true;
    this.#records = [];
    this.#wake?.();
  }
}

/** Takes the oldest records with this many line bytes of the tenant in total; at least one. */
function takeFrame(records: HeadRecord[], tenant: string, lineBytesMax: number): HeadRecord[] {
  let [count, lineBytes] = [0, 0];
  for (const { segment } of records) {
    lineBytes += segment.section(tenant)?.lineBytes ?? 0;
    if (count > 0 && lineBytes > lineBytesMax) break;
    count++;
  }
  return records.splice(0, count);
}

/**
 * Calls `leave` once when the frames end, however they end; a reader that stops early wakes a waiting one.
 */
function closing(
  frames: AsyncGenerator<TailFrame>,
  leave: () => void,
  wake: () => void,
): AsyncIterable<TailFrame> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        try {
          const result = await frames.next();
          if (result.done) leave();
          return result;
        } catch (error) {
          leave();
          throw error;
        }
      },
      return: async () => {
        leave();
        wake();
        return { done: true, value: undefined };
      },
    }),
  };
}
