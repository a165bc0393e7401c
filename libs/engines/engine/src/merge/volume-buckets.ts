/** Distributes volumes over the time buckets of a request, as Loki does. */
import { LokiError } from '@loki/model';
import type { StreamsRequest, VolumeBuckets } from '@loki/ports';

/** Most non-empty buckets of one answer, over all its streams or groups. */
const cellsMax = 1_000_000;

/**
 * Loki queries a step up to its last millisecond, in whole seconds: a step of 300 s counts 299 s of a longer
 * time range.
 */
const lapseNs = 1e9;

/**
 * A time range of one stream with its volume. Times are ns relative to the start of the request, inclusive.
 */
interface VolumeUnit {
  readonly minTs: number;
  readonly maxTs: number;
  readonly entries: number;
  readonly lineBytes: number;
  readonly metadataBytes: number;
}

/** The sum of the units of one stream or group. */
export interface StreamTotal {
  entries: number;
  lineBytes: number;
  readonly bytes: Map<number, number>;
}

/** Distributes units over the buckets of a request. */
export class BucketGrid {
  readonly #endTs: number;
  readonly #stepNs: number;
  /** Start of bucket 0, relative to the start of the request: never above 0. */
  readonly #firstTs: number;
  #cells = 0;

  constructor(request: StreamsRequest) {
    const stepNs = request.volume?.stepNs ?? 0n;
    this.#endTs = Number(request.endNs - request.startNs);
    this.#stepNs = stepNs > 0n ? Number(stepNs) : Infinity;
    this.#firstTs = stepNs > 0n ? -Number(((request.startNs % stepNs) + stepNs) % stepNs) : 0;
  }

  /**
   * Adds the shares of a unit in the range, bucket by bucket. A unit across a border counts by the share of
   * its time, as if its entries were evenly distributed; bytes are rounded down. If a unit continues after a
   * bucket, the last second of the bucket does not count.
   *
   * @returns false when no part of the unit is in the range
   */
  add(unit: VolumeUnit, total: StreamTotal): boolean {
    const { minTs, maxTs } = unit;
    if (maxTs < 0 || minTs >= this.#endTs) return false;
    const span = maxTs - minTs + 1;
    const start = Math.max(minTs, 0);
    const end = Math.min(maxTs + 1, this.#endTs);
    const isWhole = start === minTs && end === maxTs + 1;
    const share = isWhole ? 1 : (end - start) / span;
    total.entries += unit.entries * share;
    total.lineBytes += unit.lineBytes * share;
    const bytes = unit.lineBytes + unit.metadataBytes;
    const first = this.#bucketOf(start);
    const last = this.#bucketOf(end - 1);
    for (let bucket = first; bucket <= last; bucket++) {
      const from = Math.max(start, this.#startOf(bucket));
      const to = bucket < last ? this.#lastSecondOf(bucket, from) : end;
      const part = to - from === span ? bytes : Math.floor((bytes * (to - from)) / span);
      const bucketBytes = total.bytes.get(bucket);
      if (bucketBytes === undefined && ++this.#cells > cellsMax) throw tooManyCells();
      total.bytes.set(bucket, (bucketBytes ?? 0) + part);
    }
    return true;
  }

  /** End of the share of a unit that continues after the bucket. */
  #lastSecondOf(bucket: number, from: number): number {
    const end = this.#startOf(bucket + 1);
    return end - lapseNs > from ? end - lapseNs : end;
  }

  #bucketOf(ts: number): number {
    return this.#stepNs === Infinity ? 0 : Math.floor((ts - this.#firstTs) / this.#stepNs);
  }

  #startOf(bucket: number): number {
    return bucket === 0 ? this.#firstTs : this.#firstTs + bucket * this.#stepNs;
  }
}

/** Adds buckets of several parts. */
export function mergeVolumeBuckets(parts: readonly VolumeBuckets[]): VolumeBuckets {
  if (parts.length === 1) return parts[0];
  const bytes = new Map<number, number>();
  for (const part of parts) {
    part.bucket.forEach((bucket, i) => bytes.set(bucket, (bytes.get(bucket) ?? 0) + part.bytes[i]));
  }
  return bucketsOf(bytes);
}

export function bucketsOf(bytes: ReadonlyMap<number, number>): VolumeBuckets {
  const sorted = [...bytes].sort((a, b) => a[0] - b[0]);
  return { bucket: sorted.map((each) => each[0]), bytes: sorted.map((each) => each[1]) };
}

function tooManyCells(): LokiError {
  return new LokiError(
    'badRequest',
    'the volume would have too many samples, use a longer step or a narrower selector',
  );
}
