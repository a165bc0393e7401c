/** Reports the accepted rows of a push to the metrics: after step *limit* of a written line. */
import type { Limits } from '@loki/config';
import { lineBytesBuckets } from '@loki/telemetry';
import type { DistributorMetrics } from '@loki/telemetry';
import type { PushRows } from '../rows/push-rows.ts';
import type { ValidRows } from './validate.ts';

type Taken = Pick<ValidRows, 'lines' | 'bytes' | 'metadataBytes'>;

/** Counts accepted rows by size and by policy. */
export class AcceptedRows {
  readonly #metrics: DistributorMetrics;
  readonly #lineSizes = new Float64Array(lineBytesBuckets.length + 1);

  constructor(metrics: DistributorMetrics) {
    this.#metrics = metrics;
  }

  /** @param valid sums over the rows that passed validation, those that were refused later included */
  count(
    { rows, valid, limits }: { rows: PushRows; valid: ValidRows; limits: Limits },
    labels: { readonly tenant: string; readonly format: string },
  ): void {
    this.#countSizes(rows);
    const retentionHours = limits.retentionPeriodMs > 0 ? String(limits.retentionPeriodMs / 3_600_000) : '';
    for (const [policy, counts] of takenByPolicy(rows, limits, valid)) {
      this.#metrics.accepted({ ...counts, ...labels, policy, retentionHours });
    }
  }

  #countSizes(rows: PushRows): void {
    const sizes = this.#lineSizes.fill(0);
    let lineBytes = 0;
    for (let row = 0; row < rows.rowCount; row++) {
      if (rows.isRefused[row] === 1) continue;
      const size = rows.lineEnd[row] - rows.lineStart[row];
      lineBytes += size;
      // Buckets end at 1, 8, 64 …: three bits each.
      const bucket = size <= 1 ? 0 : Math.ceil((32 - Math.clz32(size - 1)) / 3);
      sizes[Math.min(bucket, sizes.length - 1)]++;
    }
    this.#metrics.lineSizes(sizes, lineBytes);
  }
}

/** The valid rows, by policy. */
function takenByPolicy(rows: PushRows, limits: Limits, valid: ValidRows): Iterable<[string, Taken]> {
  const { lines, bytes, metadataBytes } = valid;
  if (limits.policyStreamMapping.length === 0) return [['', { lines, bytes, metadataBytes }]];
  const byPolicy = new Map<string, { -readonly [K in keyof Taken]: number }>();
  for (let index = 0; index < rows.streams.length; index++) {
    const { policy } = rows.streams[index];
    let counts = byPolicy.get(policy);
    if (!counts) byPolicy.set(policy, (counts = { lines: 0, bytes: 0, metadataBytes: 0 }));
    const end = rows.streamRowEnd(index);
    for (let row = rows.streamFirstRow[index]; row < end; row++) {
      if (rows.isRefused[row] === 1) continue;
      counts.lines++;
      counts.bytes += rows.rowBytes(row);
      counts.metadataBytes += rows.metadataBytes(row);
    }
  }
  return [...byPolicy].filter(([, counts]) => counts.lines > 0);
}
