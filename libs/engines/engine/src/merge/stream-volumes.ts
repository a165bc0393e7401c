/** Merges streams and volumes of several processes or segments. */
import type { LabelPair } from '@loki/model';
import type { StreamVolume, VolumeBuckets } from '@loki/ports';
import type { Work } from '../common/sliced-work.ts';
import { mergeVolumeBuckets } from './volume-buckets.ts';

/** Streams or values between two pauses. */
const looksPerSlice = 128;
const valuesPerSlice = 4096;

/** The sum of the volumes of one label set over several lists. */
interface Sum {
  readonly labels: readonly LabelPair[];
  entries: number;
  lineBytes: number;
  readonly volumes: VolumeBuckets[];
  readonly values: (readonly string[])[];
}

/**
 * Merges lists to one entry per label set: volumes are added, values united; entries and bytes are whole
 * numbers. Labels must be sorted.
 */
export function* mergeStreamVolumes(
  lists: readonly (readonly StreamVolume[])[],
): Work<readonly StreamVolume[]> {
  const sums = new Map<string, Sum>();
  let iterations = 0;
  for (const list of lists) {
    for (const { labels, entries, lineBytes, volume, values } of list) {
      if (++iterations % looksPerSlice === 0) yield;
      const text = labels.flat().join('\0');
      let sum = sums.get(text);
      if (!sum) sums.set(text, (sum = { labels, entries: 0, lineBytes: 0, volumes: [], values: [] }));
      sum.entries += entries;
      sum.lineBytes += lineBytes;
      if (volume) sum.volumes.push(volume);
      if (values) sum.values.push(values);
    }
  }
  const streams: StreamVolume[] = [];
  for (const { labels, entries, lineBytes, volumes, values } of sums.values()) {
    if (streams.length % looksPerSlice === looksPerSlice - 1) yield;
    streams.push({
      labels,
      entries: Math.round(entries),
      lineBytes: Math.round(lineBytes),
      ...(volumes.length > 0 ? { volume: mergeVolumeBuckets(volumes) } : {}),
      ...(values.length > 0 ? { values: yield* union(values) } : {}),
    });
  }
  return streams;
}

function* union(lists: readonly (readonly string[])[]): Work<readonly string[]> {
  if (lists.length === 1) return lists[0];
  const values = new Set<string>();
  for (const list of lists) {
    for (let i = 0; i < list.length; i++) {
      values.add(list[i]);
      if (i % valuesPerSlice === valuesPerSlice - 1) yield;
    }
  }
  return [...values];
}
