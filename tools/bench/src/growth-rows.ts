/** The rows of `npm run bench:growth`: each with its sizes, and its measures with their bars. */
import { appendMeasures, measureAppends } from './growth-appends.ts';
import { catalogMeasures, measureCatalog, measureTenants, tenantMeasures } from './growth-catalog.ts';
import { commitMeasures, measureCommits } from './growth-commits.ts';
import { compactionMeasures, measureCompaction } from './growth-compaction.ts';
import { headMeasures, measureHeads } from './growth-heads.ts';
import type { Measure } from './growth-judge.ts';
import { liveMeasures, measureLive } from './growth-live.ts';
import { measureMerges, mergeMeasures } from './growth-merges.ts';
import { measureNews, newsMeasures } from './growth-news.ts';
import { measureRing, ringMeasures } from './growth-ring.ts';
import { measureStreams, streamMeasures } from './growth-streams.ts';

/** A benchmark of growth. */
interface Row {
  /** The unit of its sizes. */
  readonly of: string;
  /** A decade apart, unless `--sizes` says otherwise. */
  readonly sizes: readonly number[];
  readonly measures: readonly Measure[];
  /** Costs by the names of measures. */
  measure(size: number): Promise<Map<string, number>>;
}

export const growthRows: ReadonlyMap<string, Row> = new Map<string, Row>([
  [
    'streams',
    { of: 'streams', sizes: [1_000, 10_000, 100_000], measures: streamMeasures, measure: measureStreams },
  ],
  [
    'catalog',
    {
      of: 'commits',
      sizes: [10_000, 100_000, 1_000_000],
      measures: catalogMeasures,
      measure: measureCatalog,
    },
  ],
  ['tenants', { of: 'tenants', sizes: [10, 100, 1_000], measures: tenantMeasures, measure: measureTenants }],
  ['live', { of: 'tenants', sizes: [100, 1_000, 10_000], measures: liveMeasures, measure: measureLive }],
  [
    'merges',
    { of: 'merges', sizes: [10_000, 100_000, 1_000_000], measures: mergeMeasures, measure: measureMerges },
  ],
  [
    'compaction',
    { of: 'tenants', sizes: [10, 100, 1_000], measures: compactionMeasures, measure: measureCompaction },
  ],
  ['ring', { of: 'members', sizes: [10, 100, 1_000], measures: ringMeasures, measure: measureRing }],
  ['news', { of: 'partitions', sizes: [10, 100, 1_000], measures: newsMeasures, measure: measureNews }],
  [
    'commits',
    { of: 'commits', sizes: [100, 1_000, 10_000], measures: commitMeasures, measure: measureCommits },
  ],
  ['appends', { of: 'ms away', sizes: [2, 20, 200], measures: appendMeasures, measure: measureAppends }],
  ['heads', { of: 'partitions', sizes: [10, 100, 1_000], measures: headMeasures, measure: measureHeads }],
]);
