/** Followers of one partition: new records for tails. */
import { LokiError } from '@loki/model';
import { emptyLogResult } from '@loki/ports';
import type { LeafRequest, TailFrame } from '@loki/ports';
import { openSegment } from '@loki/segment';
import type { PartitionDeps } from './deps.ts';
import { FollowedQueries } from './followed-query.ts';
import type { FollowedQuery, FollowedRecord } from './followed-query.ts';
import { HeadRecord } from './head/head-record.ts';
import type { PartitionProgress } from './partition-progress.ts';
import type { FrameSource } from './tail-turns.ts';
import { Tail, takeFrame } from './tail.ts';

/** All followers of one partition. */
export class Tails {
  readonly #partition: number;
  readonly #deps: PartitionDeps;
  readonly #tails = new Set<Tail>();
  readonly #queries = new FollowedQueries();

  constructor(partition: number, deps: PartitionDeps) {
    this.#partition = partition;
    this.#deps = deps;
  }

  /** A record entered the head. Costs nothing without followers. */
  onRecord(record: HeadRecord): void {
    for (const query of this.#queries) {
      const followed = query.followed(record, this.#queries.size);
      if (followed) for (const tail of query.tails) tail.offer(followed);
    }
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
    // Every line of the new records, in order of arrival: the limit is applied by the reader, not to each
    // batch.
    const query = this.#queries.of({ ...request, direction: 'forward', limit: 0 });
    const start = { partition: this.#partition, fromOffset: from, startNs: request.startNs };
    const tail = new Tail(query, start, this.#deps);
    this.#tails.add(tail);
    query.tails.add(tail);
    // No await since the tail was added: it misses no record, and gets none twice.
    const { committedOffset } = progress;
    for (const record of progress.head.records) {
      const followed = record.offset < from ? undefined : query.followed(record, this.#queries.size);
      if (followed) tail.offer(followed);
    }
    tail.passed(progress.consumedOffset);
    const begins = { fromOffset: from, missedBelow: committedOffset };
    const onAbort = () => tail.end();
    if (signal.aborted) tail.end();
    else signal.addEventListener('abort', onAbort, { once: true });
    const frames = this.#frames(tail, signal, begins);
    const leave = () => {
      this.#tails.delete(tail);
      this.#queries.remove(query, tail);
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
    signal: AbortSignal,
    { fromOffset, missedBelow }: { fromOffset: number; missedBelow: number },
  ): AsyncGenerator<TailFrame> {
    const missed = fromOffset < missedBelow ? await this.#readAgain(fromOffset, missedBelow, signal) : [];
    if (missed.length === 0) yield emptyFrame(fromOffset);
    const missedFrames = new MissedRecords(tail, missed, missedBelow, this.#deps.options.tailFrameBytes);
    while (missedFrames.unread.length > 0) yield await this.#frameOf(missedFrames, signal);
    // The generator pauses between two frames, and holds nothing of the last one.
    while (await tail.hasNext()) yield await this.#frameOf(tail, signal);
  }

  async #frameOf(source: FrameSource, signal: AbortSignal): Promise<TailFrame> {
    if (source.unread.length === 0) {
      const { dropped, nextOffset } = source.take();
      return { result: emptyLogResult(), dropped, nextOffset };
    }
    const { batch, result } = await this.#deps.tailTurns.frame(source, signal);
    return { result, dropped: batch.dropped, nextOffset: batch.nextOffset };
  }

  /**
   * Reads committed records from the log, as far as the log still has them and a follower may lag: seconds
   * pass between the end of one owner and the start of the next. Repeated entries are returned twice.
   */
  async #readAgain(fromOffset: number, toOffset: number, signal: AbortSignal): Promise<FollowedRecord[]> {
    const { writeLog, options, clock, logger } = this.#deps;
    const missed: FollowedRecord[] = [];
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
          if (at >= toOffset) continue;
          const record = new HeadRecord(at, openSegment(payload), clock.monotonicMs());
          missed.push({ record, rows: record.rowCount });
        }
      }
    } catch (error) {
      if (signal.aborted) throw error;
      logger.warn('a tail has a gap: its former owner had unsent frames', { err: String(error) });
    }
    return missed;
  }
}

/** Records that a tail reads from the log, before those of the head. */
class MissedRecords implements FrameSource {
  readonly query: FollowedQuery;
  readonly partition: number;
  readonly startNs: bigint;
  readonly unread: FollowedRecord[];
  readonly #endOffset: number;
  readonly #frameBytes: number;

  constructor(
    { query, partition, startNs }: Tail,
    records: FollowedRecord[],
    endOffset: number,
    frameBytes: number,
  ) {
    this.query = query;
    this.partition = partition;
    this.startNs = startNs;
    this.unread = records;
    this.#endOffset = endOffset;
    this.#frameBytes = frameBytes;
  }

  take() {
    const records = takeFrame(this.unread, this.query.tenant, this.#frameBytes);
    return { records, dropped: 0, nextOffset: this.unread[0]?.record.offset ?? this.#endOffset };
  }
}

/** A record in the log is read at once. */
const readAgainMs = 100;

/** A frame without lines: it moves the follower's offset. */
function emptyFrame(nextOffset: number): TailFrame {
  return { result: emptyLogResult(), dropped: 0, nextOffset };
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
