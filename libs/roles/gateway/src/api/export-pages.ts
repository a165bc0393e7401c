/** Cuts an export into leaves of bounded memory and time; each page ends between two nanoseconds. */
import { LokiError, mib, nsPerMs } from '@loki/model';
import type { Clock, LogLeafRequest, LogLeafResult } from '@loki/ports';
import type { ExportCursor } from './export-cursor.ts';

/** Rows to send, and the range that remains after them. */
export interface ExportPage {
  readonly rows: LogLeafResult;
  /** Rows from..to of `rows` belong to the page. */
  readonly from: number;
  readonly to: number;
  /** Undefined: more rows of the same nanosecond follow, between which no cursor can stand. */
  readonly next: ExportCursor | undefined;
}

/** The request of one leaf of an export; the caller adds the tenant and the text of the query. */
export type PageRequest = Pick<LogLeafRequest, 'startNs' | 'endNs' | 'direction' | 'limit' | 'shard'>;

interface ExportPagesOptions {
  readonly clock: Clock;
  readonly read: (request: PageRequest) => Promise<LogLeafResult>;
  /** Rows of one leaf at most. */
  readonly rowsMax: number;
  /** No page begins after this number of rows; 0: no limit. */
  readonly rowsWanted: number;
}

/**
 * Rows of the first leaf; later leaves aim at `pageBytesTarget`, with at most twice the rows of the previous.
 */
const rowsAtFirst = 128;
const pageBytesTarget = 4 * mib;
/** Rows of one nanosecond in one leaf. */
const instantRowsMax = 16_384;
/** When a nanosecond has more rows, its streams are read by shards, sixteen times as many in each step. */
const shardFactor = 16;
const shardsMax = 4096;
/** Rows of one nanosecond in one shard of `shardsMax`: one stream, as a rule. */
const shardRowsMax = 262_144;

/** Time range of the first leaf; it doubles while leaves are quick, and halves when they are slow. */
const windowAtFirstNs = 900_000n * nsPerMs;
const windowMinNs = 1000n * nsPerMs;
const quickMs = 1000;
const slowMs = 10_000;

/**
 * All entries of a log query in a range, in its direction, read by leaves. The size of a leaf adapts to the
 * previous ones, so that its memory and time are bounded for any range and any density of entries.
 *
 * A page ends between two nanoseconds. When a leaf is full, the next leaf reads its last nanosecond again. A
 * full leaf with a single nanosecond is read again by shards of its streams.
 *
 * @throws LokiError of `read`; `unprocessable` for a stream with too many entries at one nanosecond
 */
export async function* exportPages(
  cursor: ExportCursor,
  options: ExportPagesOptions,
): AsyncGenerator<ExportPage> {
  const { clock, read, rowsMax, rowsWanted } = options;
  const { direction } = cursor;
  let remaining = cursor;
  let windowNs = windowAtFirstNs;
  let limit = Math.min(rowsAtFirst, rowsMax);
  let rowsSent = 0;
  while (remaining.startNs < remaining.endNs && (rowsWanted === 0 || rowsSent < rowsWanted)) {
    const window = firstPart(remaining, windowNs);
    // At least two: one row would always fill its leaf.
    const leafLimit = rowsWanted === 0 ? limit : Math.max(2, Math.min(limit, rowsWanted - rowsSent));
    const startedMs = clock.monotonicMs();
    let rows: LogLeafResult;
    try {
      rows = await read({ ...window, direction, limit: leafLimit });
    } catch (error) {
      if (isTooSlow(error) && windowNs > windowMinNs) {
        windowNs = windowNs / 4n > windowMinNs ? windowNs / 4n : windowMinNs;
      } else if (isTooLarge(error) && leafLimit > 2) {
        limit = Math.max(2, Math.floor(leafLimit / 8));
      } else throw error;
      continue;
    }
    const tookMs = clock.monotonicMs() - startedMs;
    if (tookMs > slowMs && windowNs > windowMinNs) windowNs /= 2n;
    const count = rows.timestampNs.length;
    if (count < leafLimit) {
      remaining = without(remaining, window);
      if (tookMs < quickMs) windowNs *= 2n;
    } else {
      const instantNs = rows.timestampNs[count - 1];
      if (rows.timestampNs[0] === instantNs) {
        for await (const part of instantParts(instantNs, direction, read)) {
          yield { rows: part, from: 0, to: part.timestampNs.length, next: undefined };
          rowsSent += part.timestampNs.length;
        }
        remaining = without(remaining, { startNs: instantNs, endNs: instantNs + 1n });
        yield { rows, from: 0, to: 0, next: remaining };
        continue;
      }
      remaining = reaching(remaining, instantNs);
    }
    const to = count < leafLimit ? count : firstRowOf(rows.timestampNs);
    rowsSent += to;
    yield { rows, from: 0, to, next: remaining };
    limit = nextLimit(leafLimit, rows.lines.length, rowsMax);
  }
}

/** All rows of one nanosecond, in parts that fit into memory. */
async function* instantParts(
  instantNs: bigint,
  direction: ExportCursor['direction'],
  read: ExportPagesOptions['read'],
): AsyncGenerator<LogLeafResult> {
  const window = { startNs: instantNs, endNs: instantNs + 1n, direction };
  const shards = [{ index: 0, of: 1 }];
  for (let shard = shards.pop(); shard; shard = shards.pop()) {
    const isLast = shard.of >= shardsMax;
    const limit = isLast ? shardRowsMax : instantRowsMax;
    let part: LogLeafResult | undefined;
    try {
      part = await read({ ...window, limit, ...(shard.of > 1 ? { shard } : {}) });
    } catch (error) {
      if (!isTooLarge(error) || isLast) throw error;
    }
    if (part && part.timestampNs.length < limit) {
      if (part.timestampNs.length > 0) yield part;
    } else if (isLast) {
      throw new LokiError(
        'unprocessable',
        `a stream has more than ${shardRowsMax} entries at the nanosecond ${instantNs}: they cannot be exported`,
      );
    } else {
      for (let i = shardFactor - 1; i >= 0; i--) {
        shards.push({ index: shard.index + i * shard.of, of: shard.of * shardFactor });
      }
    }
  }
}

function isTooSlow(error: unknown): boolean {
  return error instanceof LokiError && error.code === 'timeout';
}

/**
 * True if a leaf failed for the memory of its rows. The query was checked before, so other refusals cannot
 * occur.
 */
function isTooLarge(error: unknown): boolean {
  return error instanceof LokiError && error.code === 'badRequest';
}

/** The end of the range that comes first in its direction, `lengthNs` long at most. */
function firstPart(range: ExportCursor, lengthNs: bigint): { startNs: bigint; endNs: bigint } {
  const { startNs, endNs, direction } = range;
  if (endNs - startNs <= lengthNs) return { startNs, endNs };
  return direction === 'forward'
    ? { startNs, endNs: startNs + lengthNs }
    : { startNs: endNs - lengthNs, endNs };
}

/** The remaining range when everything up to the far end of `part` is sent. */
function without(range: ExportCursor, part: { startNs: bigint; endNs: bigint }): ExportCursor {
  return range.direction === 'forward'
    ? { ...range, startNs: part.endNs }
    : { ...range, endNs: part.startNs };
}

/** The remaining range when everything before `instantNs` is sent, but not `instantNs` itself. */
function reaching(range: ExportCursor, instantNs: bigint): ExportCursor {
  return range.direction === 'forward'
    ? { ...range, startNs: instantNs }
    : { ...range, endNs: instantNs + 1n };
}

/** The first row of the last nanosecond. */
function firstRowOf(timestampNs: BigInt64Array): number {
  let row = timestampNs.length - 1;
  while (row > 0 && timestampNs[row - 1] === timestampNs[row]) row--;
  return row;
}

function nextLimit(rows: number, bytes: number, rowsMax: number): number {
  const fitting = bytes > 0 ? Math.floor((rows * pageBytesTarget) / bytes) : rowsMax;
  return Math.max(2, Math.min(rows * 2, fitting, rowsMax));
}
