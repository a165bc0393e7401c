/** Rate and order of one stream's rows in a push: step *limit* of a written line. */
import type { Limits } from '@loki/config';
import type { ResolvedStream } from '../streams/resolve-stream.ts';
import type { PartlyStoredRows } from './partly-stored-rows.ts';
import { streamRateText, tooFarBehindText } from './refused-rows.ts';
import type { OfferedRows, RefusedRows } from './refused-rows.ts';
import type { StreamRateLimit } from './stream-rate.ts';
import type { StreamState } from './stream-state.ts';

/** The rows of one stream in a push, and the state that decides about them. */
export interface Admission {
  readonly stream: ResolvedStream;
  readonly state: StreamState;
  readonly rows: OfferedRows;
  readonly refused: RefusedRows;
  /** A row may lie this far behind the newest one. */
  readonly reachNs: number;
  readonly limit: StreamRateLimit | undefined;
  readonly nowMs: number;
}

interface Share {
  /** Bytes to charge: without rows that an earlier push has charged and stored. */
  readonly bytes: number;
  readonly newestSeconds: number;
  readonly newestNanos: number;
  /** Refused rows; undefined: none. */
  readonly lateRows: ReadonlySet<number> | undefined;
}

/** Adds up the bytes of the rows that are not too far behind, and refuses the other rows. */
export function shareOf(
  { stream, state, rows, refused, reachNs }: Admission,
  storedRetries: PartlyStoredRows | undefined,
): Share {
  let { newestSeconds, newestNanos } = state;
  let lateRows: Set<number> | undefined;
  let bytes = 0;
  for (let i = 0; i < rows.count; i++) {
    const seconds = rows.seconds(i);
    const nanos = rows.nanos(i);
    const behindNs = (newestSeconds - seconds) * 1e9 + (newestNanos - nanos);
    if (behindNs > reachNs) {
      rows.refuse(i, 'too_far_behind');
      refused.add(seconds, nanos, 400, () => tooFarBehindText(newestSeconds, newestNanos, seconds, reachNs));
      (lateRows ??= new Set()).add(i);
      continue;
    }
    if (!storedRetries?.has(stream.placementHash, rows, i)) bytes += rows.lineBytes(i);
    if (behindNs < 0 || newestSeconds === Number.NEGATIVE_INFINITY) {
      newestSeconds = seconds;
      newestNanos = nanos;
    }
  }
  return { bytes, newestSeconds, newestNanos, lateRows };
}

/** Admits row by row while the bucket has bytes. */
export function admitLines({ stream, state, rows, refused, reachNs, limit, nowMs }: Admission): void {
  const rate = limit && state.rate(limit, nowMs);
  for (let i = 0; i < rows.count; i++) {
    const seconds = rows.seconds(i);
    const nanos = rows.nanos(i);
    const behindNs = (state.newestSeconds - seconds) * 1e9 + (state.newestNanos - nanos);
    const lineBytes = rows.lineBytes(i);
    if (behindNs > reachNs) {
      rows.refuse(i, 'too_far_behind');
      const { newestSeconds, newestNanos } = state;
      refused.add(seconds, nanos, 400, () => tooFarBehindText(newestSeconds, newestNanos, seconds, reachNs));
    } else if (limit && rate && rate.take(lineBytes, 1, limit, nowMs) > 0) {
      rows.refuse(i, 'per_stream_rate_limit');
      refused.add(seconds, nanos, 429, () => streamRateText(limit.rate, stream.text, lineBytes));
    } else if (behindNs < 0 || state.newestSeconds === Number.NEGATIVE_INFINITY) {
      state.newestSeconds = seconds;
      state.newestNanos = nanos;
    }
  }
}

/** undefined: the rate of a stream is unlimited. */
export function rateLimit(limits: Limits): StreamRateLimit | undefined {
  const { perStreamRateLimitBytes: rate, perStreamRateLimitBurstBytes: burst, shardStreams } = limits;
  if (rate <= 0) return undefined;
  const isSharded = shardStreams.enabled && shardStreams.desiredRateBytes > 0;
  const desiredRate = isSharded ? shardStreams.desiredRateBytes : undefined;
  return { rate, burst: Math.max(rate, burst), desiredRate };
}
