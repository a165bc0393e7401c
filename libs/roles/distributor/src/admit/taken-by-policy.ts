/** Counts stored lines and bytes by policy, for metrics: after step *limit* of a written line. */
import type { Limits } from '@loki/config';
import type { PushRows } from '../rows/push-rows.ts';
import type { ValidRows } from './validate.ts';

type Taken = Pick<ValidRows, 'lines' | 'bytes' | 'metadataBytes'>;

/** The valid rows, by policy. */
export function takenByPolicy(rows: PushRows, limits: Limits, valid: ValidRows): Iterable<[string, Taken]> {
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
