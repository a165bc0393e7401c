/** Stored line bytes of a tenant by interval, from the catalog alone. */
import type { SegmentRef } from '@loki/catalog';
import { LokiError } from '@loki/model';
import { storedIntervalsMax } from '@loki/ports';
import type { StoredBytesRequest } from '@loki/ports';

/** Line bytes of the segments by interval, each spread evenly over its time. Reads nothing. */
export function bytesByInterval(segments: readonly SegmentRef[], request: StoredBytesRequest): number[] {
  const { startNs, endNs, intervalNs } = request;
  if (endNs <= startNs) return [];
  if (intervalNs <= 0n || (endNs - startNs) / intervalNs > BigInt(storedIntervalsMax)) {
    throw new LokiError('badRequest', 'too many intervals in one request for stored bytes');
  }
  const bytes = Array.from({ length: Number((endNs - startNs + intervalNs - 1n) / intervalNs) }, () => 0);
  const interval = Number(intervalNs);
  for (const { minNs, maxNs, clip, lineBytes } of segments) {
    // Relative to the start: exact enough for an estimate.
    let from = Number(minNs - startNs);
    let to = Number(maxNs - startNs) + 1;
    const perNs = lineBytes / (to - from);
    if (clip) {
      from = Math.max(from, Number(clip.startNs - startNs));
      to = Math.min(to, Number(clip.endNs - startNs));
    }
    from = Math.max(from, 0);
    to = Math.min(to, Number(endNs - startNs));
    for (let i = Math.floor(from / interval); i < bytes.length && i * interval < to; i++) {
      bytes[i] += Math.max(0, Math.min(to, (i + 1) * interval) - Math.max(from, i * interval)) * perNs;
    }
  }
  return bytes;
}
