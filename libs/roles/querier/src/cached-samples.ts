/** Reuses cached sample results by interval and scans only the gaps: step *recall* of a query. */
import type { SegmentRef } from '@loki/catalog';
import {
  cutSampleResult,
  isSplittable,
  joinSampleParts,
  mergeRangeParts,
  splitRange,
  splitSteps,
  stepCount,
} from '@loki/engine';
import type { SamplePart, Work } from '@loki/engine';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type { LeafStats, SampleLeafRequest, SampleLeafResult } from '@loki/ports';
import { answerBytesMax, segmentsIn } from './checked-results-cache.ts';
import type { ResultsKey } from './checked-results-cache.ts';
import type { KeptAnswers } from './kept-results.ts';
import { decodeSamples, encodeSamples } from './results-codec.ts';
import { leafWindow } from './window.ts';

interface CachedScan<Request, Result> extends KeptAnswers {
  readonly scan: (request: Request, segments: readonly SegmentRef[]) => Promise<Result>;
  /** Runs slices of work on this thread. */
  readonly complete: <T>(work: Work<T>) => Promise<T>;
}

/**
 * The stored part of a sample leaf, by intervals of time: a cached interval is not computed again. The key of
 * an interval names the segments with its entries, so that a cached answer equals a computed one.
 * Neighbouring missing intervals are computed as one leaf, and divided afterwards.
 */
export async function cachedSamples(
  request: SampleLeafRequest,
  segments: readonly SegmentRef[],
  cached: CachedScan<SampleLeafRequest, SampleLeafResult>,
): Promise<SampleLeafResult> {
  if (!isSplittable(request.expr)) return cached.scan(request, segments);
  const { splitNs } = cached.policy;
  const ranges = stepCount(request) === 1 ? splitRange(request, splitNs) : undefined;
  // Each group is one leaf over neighbouring parts. A range without a whole interval is one part.
  const groups = ranges
    ? [
        ...(ranges.first ? [[ranges.first]] : []),
        splitSteps(ranges.middle, ranges.middle.stepNs),
        ...(ranges.last ? [[ranges.last]] : []),
      ]
    : [splitSteps(request, splitNs)];
  const stats = emptyLeafStats();
  const lookups = await lookUp(groups.flat(), segments, cached, stats);
  const scan = { segments, lookups, cached, stats };
  const parts = await Promise.all(groups.map((group) => partsOf(group, scan)));
  const joined = ranges ? mergeRangeParts(request, parts.flat()) : joinSampleParts(request, parts.flat());
  const result = await cached.complete(joined);
  addLeafStats(result.stats, stats);
  return result;
}

/** The result of a part that is available before the scan. */
interface Known {
  readonly result?: SampleLeafResult;
  /** Cache key of the computed result; absent: the result is not cached. */
  readonly key?: ResultsKey;
}

async function lookUp(
  parts: readonly SampleLeafRequest[],
  segments: readonly SegmentRef[],
  { results, policy, generation, complete }: CachedScan<SampleLeafRequest, SampleLeafResult>,
  stats: LeafStats,
): Promise<ReadonlyMap<SampleLeafRequest, Known>> {
  const lookups = new Map<SampleLeafRequest, Known>();
  const requests: { part: SampleLeafRequest; key: ResultsKey }[] = [];
  for (const part of parts) {
    const window = leafWindow(part);
    const inWindow = segmentsIn(segments, window);
    if (inWindow.length === 0) lookups.set(part, { result: nothing(part) });
    else if (window.endNs > policy.newestNs) lookups.set(part, {});
    else requests.push({ part, key: keyOf(part, { window, segments: inWindow, generation }) });
  }
  const keys = requests.map(({ key }) => key);
  const answers = await complete(await results.get(keys, stats));
  for (const [i, { part, key }] of requests.entries()) {
    const answer = answers[i];
    const result = answer && (await complete(decodeSamples(answer, stepCount(part))));
    lookups.set(part, result ? { result } : { key });
  }
  return lookups;
}

function keyOf(
  part: SampleLeafRequest,
  where: Pick<ResultsKey, 'window' | 'segments' | 'generation'>,
): ResultsKey {
  const { tenant, expr, startNs, endNs, stepNs, shard, deletes } = part;
  const steps = stepCount(part);
  return {
    tenant,
    // A single step does not depend on the step width; times in states are relative to the start.
    question: [
      'samples',
      expr,
      startNs,
      steps === 1 ? startNs : endNs,
      steps === 1 ? 0n : stepNs,
      shard ? `${shard.index}/${shard.of}` : '',
    ],
    deletes,
    ...where,
  };
}

interface GroupScan {
  readonly segments: readonly SegmentRef[];
  readonly lookups: ReadonlyMap<SampleLeafRequest, Known>;
  readonly cached: CachedScan<SampleLeafRequest, SampleLeafResult>;
  readonly stats: LeafStats;
}

/** The parts of a group in order of time: scans the gaps, each as one leaf, and caches their results. */
async function partsOf(
  group: readonly SampleLeafRequest[],
  { segments, lookups, cached: { results, scan, complete }, stats }: GroupScan,
): Promise<SamplePart[]> {
  const parts: SamplePart[] = [];
  const gaps: SampleLeafRequest[][] = [];
  let isOpen = false;
  for (const part of group) {
    const { result } = lookups.get(part)!;
    if (result) parts.push({ request: part, result });
    else if (isOpen) gaps[gaps.length - 1].push(part);
    else gaps.push([part]);
    isOpen = !result;
  }
  const filled = await Promise.all(
    gaps.map(async (gap) => {
      const joined = { ...gap[0], endNs: gap[gap.length - 1].endNs };
      const result = await scan(joined, segmentsIn(segments, leafWindow(joined)));
      const entries = [];
      for (const part of gap) {
        const { key } = lookups.get(part)!;
        if (!key) continue;
        const ofPart = await complete(cutSampleResult(joined, part, result));
        entries.push({ key, answer: await complete(encodeSamples(ofPart, answerBytesMax)) });
      }
      await complete(results.put(entries, stats));
      return { request: joined, result };
    }),
  );
  return [...parts, ...filled].sort((a, b) => (a.request.startNs < b.request.startNs ? -1 : 1));
}

/** A part without segments is empty: it needs no lookup. */
function nothing(part: SampleLeafRequest): SampleLeafResult {
  return { kind: 'samples', steps: stepCount(part), series: [], stats: emptyLeafStats() };
}
