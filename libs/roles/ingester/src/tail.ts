/** The unread records of one tail, within its bound. */
import type { PartitionDeps } from './deps.ts';
import type { FollowedQuery, FollowedRecord } from './followed-query.ts';
import type { HeadRecord } from './head/head-record.ts';
import type { FrameBatch, FrameSource } from './tail-turns.ts';

/** Number of records without a matching line after which a follower gets its new offset. */
const quietRecordsMax = 200;

/** Share of a follower's bound for records that the head has dropped. */
const committedShare = 4;

interface TailStart {
  readonly partition: number;
  readonly fromOffset: number;
  /** Lines before are not for this tail. */
  readonly startNs: bigint;
}

/**
 * The unread records of one follower: references to head records, so that its bound is the only memory it may
 * hold.
 */
export class Tail implements FrameSource {
  readonly query: FollowedQuery;
  readonly partition: number;
  readonly startNs: bigint;
  readonly #deps: PartitionDeps;
  #unread: FollowedRecord[] = [];
  #bytes = 0;
  #dropped = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  /** All records below were offered. */
  #nextOffset: number;
  /** The last offset that the follower was sent. */
  #toldOffset: number;

  constructor(query: FollowedQuery, { partition, fromOffset, startNs }: TailStart, deps: PartitionDeps) {
    this.query = query;
    this.partition = partition;
    this.startNs = startNs;
    this.#nextOffset = fromOffset;
    this.#toldOffset = fromOffset;
    this.#deps = deps;
  }

  get unread(): readonly FollowedRecord[] {
    return this.#unread;
  }

  /**
   * Keeps the record if the follower may want lines of it; the oldest ones are dropped when it lags too far.
   */
  offer(followed: FollowedRecord): void {
    const { record, rows } = followed;
    if (this.#ended || record.offset < this.#nextOffset) return;
    this.#nextOffset = record.offset + 1;
    if (rows === 0) {
      if (this.#isQuiet) this.#wake?.();
      return;
    }
    this.#unread.push(followed);
    this.#bytes += record.bytes.length;
    while (this.#bytes > this.#deps.options.tailBytesMax && this.#unread.length > 1) this.#dropOldest();
    this.#wake?.();
  }

  /** Drops the oldest of the records below, except some that a follower which keeps up is about to read. */
  releaseBelow(offset: number): void {
    const { options, ownedCount } = this.#deps;
    const bytesMax = options.tailBytesMax / committedShare / Math.max(1, ownedCount());
    let bytes = 0;
    for (const { record } of this.#unread) if (record.offset < offset) bytes += record.bytes.length;
    while (bytes > bytesMax) bytes -= this.#dropOldest();
    this.#wake?.();
  }

  /** @returns its bytes */
  #dropOldest(): number {
    const { record, rows } = this.#unread.shift()!;
    const { length } = record.bytes;
    this.#bytes -= length;
    this.#dropped += rows;
    this.#deps.metrics.tailDropped(rows);
    return length;
  }

  /** Waits for a record or an offset to send; false at the end. */
  async hasNext(): Promise<boolean> {
    while (this.#unread.length === 0 && this.#dropped === 0 && !this.#isQuiet && !this.#ended) {
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

  take(): FrameBatch {
    const records = takeFrame(this.#unread, this.query.tenant, this.#deps.options.tailFrameBytes);
    for (const { bytes } of records) this.#bytes -= bytes.length;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#toldOffset = this.#unread[0]?.record.offset ?? this.#nextOffset;
    return { records, dropped, nextOffset: this.#toldOffset };
  }

  get #isQuiet(): boolean {
    return this.#nextOffset - this.#toldOffset >= quietRecordsMax;
  }

  end(): void {
    this.#ended = true;
    this.#unread = [];
    this.#wake?.();
  }
}

/** Takes the oldest records with this many line bytes of the tenant in total; at least one. */
export function takeFrame(
  unread: { readonly record: HeadRecord }[],
  tenant: string,
  lineBytesMax: number,
): HeadRecord[] {
  let [count, lineBytes] = [0, 0];
  for (const { record } of unread) {
    lineBytes += record.segment.section(tenant)?.lineBytes ?? 0;
    if (count > 0 && lineBytes > lineBytesMax) break;
    count++;
  }
  return unread.splice(0, count).map(({ record }) => record);
}
