/** A committed flush in the metrics: step *commit* of a written line. */
import { nsPerSecond } from '@loki/model';
import type { MergeTaskOutput } from '@loki/segment';
import type { PartitionDeps } from './deps.ts';
import type { FlushPlan } from './flush-plan.ts';
import type { HeadRecord } from './head/head-record.ts';

/** A segment of the head's records; at least one section. */
export interface MergedSegment extends MergeTaskOutput {
  readonly key: string;
}

/** A committed flush. */
interface CommittedFlush {
  readonly plan: FlushPlan;
  readonly segment: MergedSegment;
  readonly oldest: HeadRecord;
  readonly encodeMs: number;
  readonly commitMs: number;
}

/** Counts a committed flush: its sizes, its age, its span in time, and each tenant's share of the bytes. */
export function countFlush(
  { plan, segment, oldest, encodeMs, commitMs }: CommittedFlush,
  { metrics, clock, options }: Pick<PartitionDeps, 'metrics' | 'clock' | 'options'>,
): void {
  const { sections, bytes } = segment;
  const rows = sections.reduce((sum, section) => sum + section.rowCount, 0);
  const lineBytes = sections.reduce((sum, section) => sum + section.lineBytes, 0);
  const minNs = sections.reduce(
    (min, section) => (section.minNs < min ? section.minNs : min),
    sections[0].minNs,
  );
  const maxNs = sections.reduce(
    (max, section) => (section.maxNs > max ? section.maxNs : max),
    sections[0].maxNs,
  );
  const shareOf = (part: number) => (lineBytes === 0 ? 0 : Math.round((bytes.length * part) / lineBytes));
  metrics.flushed({
    reason: plan.reason,
    storedBytes: bytes.length,
    rows,
    lineBytes,
    ageSeconds: (clock.monotonicMs() - oldest.consumedAtMs) / 1000,
    spanHours: Number((maxNs - minNs) / nsPerSecond) / 3600,
    encodeSeconds: encodeMs / 1000,
    commitSeconds: commitMs / 1000,
    indexEntries: sections.length,
    utilization: Math.min(1, lineBytes / options.flushRawBytes),
    tenants: new Map(sections.map((section) => [section.tenant, shareOf(section.lineBytes)])),
  });
}
