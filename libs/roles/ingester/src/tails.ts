/** Followers of one partition: new records for tails. */
import { matchesLabels } from '@loki/logql';
import { LokiError } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LeafRequest, LogLeafRequest, LogLeafResult, TailFrame } from '@loki/ports';
import { openSegment } from '@loki/segment';
import type { PartitionDeps } from './deps.ts';
import { HeadRecord } from './head.ts';
import type { PartitionProgress } from './partition-progress.ts';
import { selectionOfLeaf } from './select.ts';
import type { HeadSelection } from './select.ts';
import { scanFrame } from './serve.ts';

/** All followers of one partition. */
export class Tails {
  readonly #partition: number;
  readonly #deps: PartitionDeps;
  readonly #tails = new Set<Tail>();

  constructor(partition: number, deps: PartitionDeps) {
    this.#partition = partition;
    this.#deps = deps;
  }

  /** A record entered the head. Costs nothing when nobody follows. */
  onRecord(record: HeadRecord): void {
    for (const tail of this.#tails) tail.offer(record);
  }

  /** All records below `offset` have been consumed. */
  onConsumed(offset: number): void {
    for (const tail of this.#tails) tail.passed(offset);
  }

  /** The head has let go of all records below: what a follower has not read of them is held for it alone. */
  onCommitted(committedOffset: number): void {
    for (const tail of this.#tails) tail.releaseBelow(committedOffset);
  }

  /**
   * Follows from now on, or from `fromOffset` on when another owner's frames ended there, until the signal
   * aborts or the reader lets go.
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
    const tail = new Tail(selectionOfLeaf(request), from, this.#deps);
    this.#tails.add(tail);
    // Nothing is awaited since the tail is among those that hear of new records: none is missed, none comes
    // twice.
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

  /** Ends all: the partition is let go. */
  close(): void {
    for (const tail of this.#tails) tail.end();
  }

  async *#frames(
    tail: Tail,
    request: LogLeafRequest,
    signal: AbortSignal,
    { fromOffset, missedBelow }: { fromOffset: number; missedBelow: number },
  ): AsyncGenerator<TailFrame> {
    // Every line of what has arrived, in order of arrival: a limit is the reader's business, not a batch's.
    const all = { ...request, direction: 'forward', limit: 0 } as const;
    const missed = fromOffset < missedBelow ? await this.#readAgain(fromOffset, missedBelow, signal) : [];
    if (missed.length === 0) yield nothing(fromOffset);
    while (missed.length > 0) {
      const records = takeFrame(missed, request.tenant, this.#deps.options.tailFrameBytes);
      const result = await scanFrame(
        this.#deps,
        { records, partition: this.#partition, request: all },
        signal,
      );
      yield { result, dropped: 0, nextOffset: missed[0]?.offset ?? missedBelow };
    }
    // Between two frames the generator stands still, and holds nothing of the last one.
    while (await tail.hasNext()) yield await this.#frameOf(tail.take(), all, signal);
  }

  async #frameOf(
    { records, dropped, nextOffset }: TailBatch,
    request: LogLeafRequest,
    signal: AbortSignal,
  ): Promise<TailFrame> {
    if (records.length === 0) return { ...nothing(nextOffset), dropped };
    const leaf = { records, partition: this.#partition, request };
    return { result: await scanFrame(this.#deps, leaf, signal), dropped, nextOffset };
  }

  /**
   * Records that are committed already, from the log, as far as it still has them and a follower may lag:
   * between the end of one owner and the word of the next there are seconds. Entries that were repeats of
   * others come twice.
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

/** A record that is there is read at once. */
const readAgainMs = 100;

/** A frame without lines: it says how far the follower has come. */
function nothing(nextOffset: number): TailFrame {
  const result: LogLeafResult = {
    kind: 'log',
    labelSets: [],
    labelSet: new Uint32Array(0),
    timestampNs: new BigInt64Array(0),
    lineEnds: new Uint32Array(0),
    lines: new Uint8Array(0),
    stats: emptyLeafStats(),
  };
  return { result, dropped: 0, nextOffset };
}

/** Records without a line for a follower after which it hears how far it has come all the same. */
const quietRecordsMax = 200;

interface TailBatch {
  readonly records: HeadRecord[];
  readonly dropped: number;
  readonly nextOffset: number;
}

/** Part of a follower's bound that records may have which the head has let go. */
const committedShare = 4;

/**
 * The records that one follower has not read yet: references to head records, so that its bound is the only
 * memory it may hold.
 */
class Tail {
  readonly #selection: HeadSelection;
  readonly #deps: PartitionDeps;
  #records: HeadRecord[] = [];
  #bytes = 0;
  #dropped = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  /** All records below were offered. */
  #nextOffset: number;
  /** Of these, the last one that the follower has heard of. */
  #toldOffset: number;

  constructor(selection: HeadSelection, fromOffset: number, deps: PartitionDeps) {
    this.#selection = selection;
    this.#nextOffset = fromOffset;
    this.#toldOffset = fromOffset;
    this.#deps = deps;
  }

  /** Keeps the record if the follower may want lines of it; the oldest ones go when it lags too far. */
  offer(record: HeadRecord): void {
    if (this.#ended || record.offset < this.#nextOffset) return;
    // Records of other tenants may be behind: see `passed`.
    if (!record.segment.section(this.#selection.tenant)) return;
    this.#nextOffset = record.offset + 1;
    if (rowsOf(record, this.#selection) === 0) {
      if (this.#isQuiet) this.#wake?.();
      return;
    }
    this.#records.push(record);
    this.#bytes += record.bytes.length;
    while (this.#bytes > this.#deps.options.tailBytesMax && this.#records.length > 1) this.#dropOldest();
    this.#wake?.();
  }

  /** Drops the oldest of the records below, but for some that a follower which keeps up is about to take. */
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
    const rows = rowsOf(oldest, this.#selection);
    this.#dropped += rows;
    this.#deps.metrics.tailDropped(rows);
    return length;
  }

  /** Waits for something to tell; false at the end. */
  async hasNext(): Promise<boolean> {
    while (this.#records.length === 0 && this.#dropped === 0 && !this.#isQuiet && !this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    return !this.#ended;
  }

  /** Nothing below `offset` is to come. */
  passed(offset: number): void {
    if (this.#ended || offset <= this.#nextOffset) return;
    this.#nextOffset = offset;
    if (this.#isQuiet) this.#wake?.();
  }

  /** The oldest that is waiting, a frame of it. */
  take(): TailBatch {
    const { tenant } = this.#selection;
    const records = takeFrame(this.#records, tenant, this.#deps.options.tailFrameBytes);
    for (const { bytes } of records) this.#bytes -= bytes.length;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#toldOffset = this.#records[0]?.offset ?? this.#nextOffset;
    return { records, dropped, nextOffset: this.#toldOffset };
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

/** Takes the oldest records, as many as have so many line bytes of the tenant; one at least. */
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
 * Rows of the selected streams: what a follower loses, before its line filters, when the record is dropped
 * for it.
 */
function rowsOf(record: HeadRecord, selection: HeadSelection): number {
  const section = record.segment.section(selection.tenant);
  if (!section) return 0;
  let rows = 0;
  for (let stream = 0; stream < section.streams.count; stream++) {
    const labels = section.streams.labels(stream);
    if (matchesLabels(selection.matchers, labels)) rows += section.streams.entries(stream);
  }
  return rows;
}

/**
 * Calls `leave` once when the frames end, however they end; a reader that stops early wakes one that waits.
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
