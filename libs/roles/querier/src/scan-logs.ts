/** Log queries with a limit: scans segments in waves until enough lines are certain. */
import type { SegmentRef } from '@loki/catalog';
import { mergeLeafResults } from '@loki/engine';
import type { Work } from '@loki/engine';
import { LokiError } from '@loki/model';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type { LeafResult, LogLeafRequest, LogLeafResult } from '@loki/ports';
import type { LogPiece } from './segment-scans.ts';
import type { Window } from './window.ts';

/**
 * Segments that are opened while the first wave is scanned, and while later ones are, if the query has
 * filters.
 */
const aheadFirst = 16;
const aheadLater = 64;

interface LogScan {
  /** Oldest first. */
  readonly segments: readonly SegmentRef[];
  /** The windows of the request's time to read, in order of time, without overlap. */
  readonly windows: readonly Window[];
  readonly heads: readonly LeafResult[];
  readonly parallelism: number;
  /** Begins to open segments whose scans may follow. */
  readonly openAhead?: (segments: readonly SegmentRef[]) => void;
  /** A result for each piece. */
  readonly scan: (pieces: readonly LogPiece[]) => Promise<readonly LeafResult[]>;
  /** Runs slices of work on this thread. */
  readonly complete: <T>(work: Work<T>) => Promise<T>;
}

interface FilledLog {
  readonly result: LogLeafResult;
  /** Timestamps of the returned stored rows. */
  readonly storedTimes: readonly BigInt64Array[];
  /** The time range of which all stored rows are returned. */
  readonly read: Window;
}

/**
 * Reads the store for a log query with a limit from its end of the time range, a few segments at a time, and
 * stops when no remaining segment can have a better row. Waves double, so that a query with few matches soon
 * uses all workers.
 */
export async function scanUntilFilled(
  request: LogLeafRequest,
  { segments, windows, heads, parallelism, openAhead, scan, complete }: LogScan,
): Promise<FilledLog> {
  const backward = request.direction === 'backward';
  const order = segments.flatMap((segment, age) =>
    windows.flatMap((window) => pieceOf(segment, age, window)),
  );
  order.sort((a, b) => (backward ? compare(b.endNs, a.endNs) : compare(a.startNs, b.startNs)));
  const scans: { age: number; result: LogLeafResult; isStored: boolean }[] = heads.map((result, i) => ({
    age: segments.length + i,
    result: logResult(result),
    isStored: false,
  }));
  const skippedStats = emptyLeafStats();
  let next = 0;
  let wave = parallelism;
  for (;;) {
    scans.sort((a, b) => a.age - b.age);
    const results = scans.map((each) => each.result);
    const best = logResult(await complete(mergeLeafResults(request, results)));
    while (next < order.length && !couldImprove(best.timestampNs, request, order[next])) {
      skippedStats.segments += 1;
      next += 1;
    }
    if (next === order.length) {
      addLeafStats(best.stats, skippedStats);
      const storedTimes = scans.filter(({ isStored }) => isStored).map(({ result }) => result.timestampNs);
      return { result: best, storedTimes, read: readBy(best.timestampNs, request) };
    }
    const isFirst = wave === parallelism;
    // The first ones are opened by their scans.
    const piecesAhead = order.slice(
      next + parallelism,
      next + aheadCount(request, order, { next, wave, isFirst }),
    );
    if (piecesAhead.length > 0) openAhead?.(piecesAhead.map(({ segment }) => segment));
    const batch = order.slice(next, next + wave);
    next += batch.length;
    wave *= 2;
    const more = await scan(
      batch.map(({ segment, window }) => ({ segment, window: bounded({ ...request, ...window }, best) })),
    );
    more.forEach((result, i) => scans.push({ age: batch[i].age, result: logResult(result), isStored: true }));
  }
}

/**
 * Number of segments that are open once a wave is scanned, its own included. A query with filters probably
 * needs several waves. Without any, the first segments fill the limit, but segments of the same time must be
 * looked at, too.
 */
function aheadCount(
  request: LogLeafRequest,
  order: readonly Piece[],
  { next, wave, isFirst }: { readonly next: number; readonly wave: number; readonly isFirst: boolean },
): number {
  const most = isFirst ? aheadFirst : Math.max(aheadLater, 2 * wave);
  if (hasStages(request.expr)) return most;
  const first = order[next];
  const isBackward = request.direction === 'backward';
  let count = wave;
  while (count < most && next + count < order.length) {
    const { startNs, endNs } = order[next + count];
    if (isBackward ? endNs < first.startNs : startNs > first.endNs) break;
    count++;
  }
  return count;
}

/** A selection alone ends with its brace. */
function hasStages(expr: string): boolean {
  return !expr.endsWith('}');
}

/** The request for rows that are not worse than the last of `best`, once that has enough rows. */
function bounded(request: LogLeafRequest, { timestampNs }: LogLeafResult): LogLeafRequest {
  if (timestampNs.length < request.limit) return request;
  const worst = timestampNs[timestampNs.length - 1];
  return request.direction === 'backward'
    ? { ...request, startNs: worst > request.startNs ? worst : request.startNs }
    : { ...request, endNs: worst + 1n < request.endNs ? worst + 1n : request.endNs };
}

/** The part of a segment inside a window. */
interface Piece extends LogPiece {
  readonly age: number;
  /** Time range of its rows, inclusive. */
  readonly startNs: bigint;
  readonly endNs: bigint;
}

function pieceOf(segment: SegmentRef, age: number, window: Window): Piece[] {
  const startNs = segment.minNs > window.startNs ? segment.minNs : window.startNs;
  const endNs = segment.maxNs < window.endNs ? segment.maxNs : window.endNs - 1n;
  return startNs <= endNs ? [{ segment, age, window, startNs, endNs }] : [];
}

/**
 * Skips only segments that are strictly worse: rows with equal timestamps may still sort before the last row.
 */
function couldImprove(timesNs: BigInt64Array, request: LogLeafRequest, piece: Piece): boolean {
  if (timesNs.length < request.limit) return true;
  const worst = timesNs[timesNs.length - 1];
  return request.direction === 'backward' ? piece.endNs >= worst : piece.startNs <= worst;
}

/** All rows before the last returned one are present; rows of its own nanosecond may be missing. */
function readBy(timesNs: BigInt64Array, { startNs, endNs, limit, direction }: LogLeafRequest): Window {
  if (timesNs.length < limit) return { startNs, endNs };
  const worst = timesNs[timesNs.length - 1];
  return direction === 'backward' ? { startNs: worst + 1n, endNs } : { startNs, endNs: worst };
}

function logResult(result: LeafResult): LogLeafResult {
  if (result.kind !== 'log') throw new LokiError('internal', 'a log leaf answered with samples');
  return result;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
