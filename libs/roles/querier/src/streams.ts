import { mergeVolumeBuckets } from '@loki/engine';
import type { Work } from '@loki/engine';
import type { LabelPair } from '@loki/model';
import type { StreamVolume, VolumeBuckets } from '@loki/ports';

/**
 * One entry per label set, volumes added; entries and bytes whole numbers. Labels are sorted, as sections
 * have them.
 */
export function* mergeStreamVolumes(
  lists: readonly (readonly StreamVolume[])[],
): Work<readonly StreamVolume[]> {
  const merged = new Map<string, Merged>();
  let looks = 0;
  for (const list of lists) {
    for (const { labels, entries, lineBytes, volume } of list) {
      if (++looks % streamsPerSlice === 0) yield;
      const text = labels.flat().join('\0');
      let total = merged.get(text);
      if (!total) merged.set(text, (total = { labels, entries: 0, lineBytes: 0, volumes: [] }));
      total.entries += entries;
      total.lineBytes += lineBytes;
      if (volume) total.volumes.push(volume);
    }
  }
  const streams: StreamVolume[] = [];
  for (const { labels, entries, lineBytes, volumes } of merged.values()) {
    if (streams.length % streamsPerSlice === streamsPerSlice - 1) yield;
    streams.push({
      labels,
      entries: Math.round(entries),
      lineBytes: Math.round(lineBytes),
      ...(volumes.length > 0 ? { volume: mergeVolumeBuckets(volumes) } : {}),
    });
  }
  return streams;
}

/** Streams that are merged between two pauses. */
const streamsPerSlice = 128;

interface Merged {
  readonly labels: readonly LabelPair[];
  entries: number;
  lineBytes: number;
  readonly volumes: VolumeBuckets[];
}
