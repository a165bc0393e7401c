import { LokiError } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LeafRequest, LogLeafRequest, LogLeafResult, TailFrame } from '@loki/ports';
import type { PartitionDeps } from './deps.ts';
import type { HeadRecord } from './head.ts';
import { selectionOfLeaf } from './select.ts';
import type { Selection } from './select.ts';
import { scan } from './serve.ts';

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

  /** Follows from now on, until the signal aborts or the reader lets go. */
  follow(request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame> {
    if (request.kind !== 'log') throw new LokiError('badRequest', 'only log queries can be followed');
    if (this.#tails.size >= this.#deps.options.tailsMax) {
      throw new LokiError('tooManyRequests', 'max concurrent tail requests limit exceeded');
    }
    const tail = new Tail(selectionOfLeaf(request), this.#deps);
    this.#tails.add(tail);
    const onAbort = () => tail.end();
    if (signal.aborted) tail.end();
    else signal.addEventListener('abort', onAbort, { once: true });
    const frames = this.#frames(tail, request, signal);
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

  async *#frames(tail: Tail, request: LogLeafRequest, signal: AbortSignal): AsyncGenerator<TailFrame> {
    yield begun();
    // Every line of what has arrived, in order of arrival: a limit is the reader's business, not a batch's.
    const all = { ...request, direction: 'forward', limit: 0 } as const;
    for (;;) {
      const batch = await tail.next();
      if (!batch) return;
      if (batch.records.length === 0 && batch.dropped === 0) continue;
      const result = await scan(batch.records, this.#partition, this.#deps, all, signal);
      if (result.kind !== 'log' || (result.timestampNs.length === 0 && batch.dropped === 0)) continue;
      yield { result, dropped: batch.dropped };
    }
  }
}

/** The first frame: from now on nothing is missed. */
function begun(): TailFrame {
  const result: LogLeafResult = {
    kind: 'log',
    labelSets: [],
    labelSet: new Uint32Array(0),
    timestampNs: new BigInt64Array(0),
    lineEnds: new Uint32Array(0),
    lines: new Uint8Array(0),
    stats: emptyLeafStats(),
  };
  return { result, dropped: 0 };
}

/** What one follower has not read yet: references to head records, so that its bound is the only memory it may hold. */
class Tail {
  readonly #selection: Selection;
  readonly #deps: PartitionDeps;
  #records: HeadRecord[] = [];
  #bytes = 0;
  #dropped = 0;
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(selection: Selection, deps: PartitionDeps) {
    this.#selection = selection;
    this.#deps = deps;
  }

  /** Keeps the record if the follower may want lines of it; the oldest ones go when it lags too far. */
  offer(record: HeadRecord): void {
    if (this.#ended || rowsOf(record, this.#selection) === 0) return;
    this.#records.push(record);
    this.#bytes += record.bytes.length;
    while (this.#bytes > this.#deps.options.tailBytesMax && this.#records.length > 1) {
      const oldest = this.#records.shift()!;
      this.#bytes -= oldest.bytes.length;
      const rows = rowsOf(oldest, this.#selection);
      this.#dropped += rows;
      this.#deps.metrics.tailDropped(rows);
    }
    this.#wake?.();
  }

  /** All that is waiting, once there is something; undefined at the end. */
  async next(): Promise<{ records: HeadRecord[]; dropped: number } | undefined> {
    while (this.#records.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    if (this.#ended) return undefined;
    const batch = { records: this.#records, dropped: this.#dropped };
    this.#records = [];
    this.#bytes = 0;
    this.#dropped = 0;
    return batch;
  }

  end(): void {
    this.#ended = true;
    this.#records = [];
    this.#wake?.();
  }
}

/** Rows of the selected streams: what a follower loses, before its line filters, when the record is dropped for it. */
function rowsOf(record: HeadRecord, selection: Selection): number {
  const section = record.segment.section(selection.tenant);
  if (!section) return 0;
  let rows = 0;
  for (let stream = 0; stream < section.streams.count; stream++) {
    if (selection.matches(section.streams.labels(stream))) rows += section.streams.entries(stream);
  }
  return rows;
}

/** Calls `leave` once when the frames end, however they end; a reader that stops early wakes one that waits. */
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
