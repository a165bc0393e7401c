/** `/index/volume` and `/index/volume_range`: line bytes by labels. */
import { sorted } from '@loki/engine';
import type { Work } from '@loki/engine';
import { quoteGo } from '@loki/go';
import { parseMatchers } from '@loki/logql';
import type { Matcher } from '@loki/logql';
import { compareText, LokiError, nsPerMs } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { emptyLeafStats, jsonTextResponse } from '@loki/ports';
import type { HttpRequest, HttpResponse, QuerierService, StreamGrouping, Tenancy } from '@loki/ports';
import { pairsJson, secondsText } from '../answer/encode-result.ts';
import { lokiStats } from '../answer/stats.ts';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import { checkQueryLength } from '../limits/check-query-limits.ts';
import { badRequest, isUncached, Params, parseStep, parseTimeRange, parseUint32 } from '../limits/params.ts';
import type { TimeRange } from '../limits/params.ts';
import { isHiddenLabel, streamsOfTenants, visitStreams } from './explore-streams.ts';
import type { TenantStreams } from './explore-streams.ts';
import { reported } from './metadata-log.ts';
import type { MetadataLogDeps } from './metadata-log.ts';

interface VolumeApiDeps extends MetadataLogDeps {
  readonly frontend: QueryFrontend;
  readonly querier: QuerierService;
}

const limitDefault = 100;

/** `index/volume` and `index/volume_range`: bytes by the labels of the request, in one sum or by steps. */
export class VolumeApi {
  readonly #deps: VolumeApiDeps;

  constructor(deps: VolumeApiDeps) {
    this.#deps = deps;
  }

  /** `/loki/api/v1/index/volume` */
  volume(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    return this.#answer(request, tenancy, () => 0n);
  }

  /** `/loki/api/v1/index/volume_range` */
  volumeRange(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    return this.#answer(request, tenancy, parseStep);
  }

  #answer(
    request: HttpRequest,
    tenancy: Tenancy,
    stepOf: (params: Params, range: TimeRange) => bigint,
  ): Promise<HttpResponse> {
    const limits = this.#deps.frontend.limitsFor(tenancy, request);
    if (!limits.volumeEnabled) return Promise.reject(new LokiError('notFound', 'not found'));
    return reported(this.#deps, { type: 'volume', request, tenancy }, async (note) => {
      const startedMs = this.#deps.clock.monotonicMs();
      const params = Params.of(request);
      note.query = params.get('query');
      const range = (note.range = parseTimeRange(params, this.#deps.clock.nowNs()));
      const stepNs = stepOf(params, range);
      const matchers = parseSelector(params.get('query'));
      const grouping = parseGrouping(params, matchers);
      const limit = parseUint32(params, 'limit', limitDefault) || limitDefault;
      checkQueryLength(range, limits);
      const cache = this.#deps.frontend.cachePolicy('volume', limits, { noCache: isUncached(request) });
      const answers = await streamsOfTenants(
        this.#deps,
        tenancy,
        { matchers, ...range, volume: { stepNs }, ...groupOf(grouping), ...(cache ? { cache } : {}) },
        { limits, client: request.signal },
      );
      const max = limits.volumeMaxSeries > 0 ? Math.min(limit, limits.volumeMaxSeries) : limit;
      const { frontend } = this.#deps;
      const groups = await frontend.complete(groupVolumes(answers, grouping), request.signal, tenancy);
      const series = await frontend.complete(largestOfSteps(groups, max), request.signal, tenancy);
      note.entries = series.length;
      const stats = lokiStats(emptyLeafStats(), {
        execSeconds: (this.#deps.clock.monotonicMs() - startedMs) / 1000,
        queueSeconds: 0,
        splits: 1,
        shards: 0,
        entriesReturned: series.length,
        cache: 'volumeResult',
      });
      const volumes = await frontend.complete(
        encodeVolumes(series, bucketTimes(range, stepNs)),
        request.signal,
        tenancy,
      );
      return jsonTextResponse(`{"status":"success","data":{${volumes},"stats":${JSON.stringify(stats)}}}`);
    });
  }
}

/** How streams are grouped into rows of the answer. */
interface VolumeGrouping {
  /** Undefined: all labels. */
  readonly names: ReadonlySet<string> | undefined;
  /** The client named the labels: streams that lack one of them do not count. */
  readonly needsAll: boolean;
  readonly by: 'series' | 'labels';
}

/** `{}` means all streams, here and in no other place of the language. */
function parseSelector(text: string): readonly Matcher[] {
  return /^\s*\{\s*\}\s*$/.test(text) ? [] : parseMatchers(text);
}

function parseGrouping(params: Params, matchers: readonly Matcher[]): VolumeGrouping {
  const by = params.get('aggregateBy') || 'series';
  if (by !== 'series' && by !== 'labels') throw badRequest('invalid aggregation option');
  const targets = params
    .get('targetLabels')
    .split(',')
    .filter((name) => name !== '');
  if (targets.length > 0) return { names: new Set(targets), needsAll: true, by };
  const isAll = matchers.length === 0 || by === 'labels';
  return { names: isAll ? undefined : new Set(matchers.map(({ name }) => name)), needsAll: false, by };
}

/**
 * The grouping that is sent to the processes with the streams; a group shows which labels its streams lack.
 */
function groupOf({ names, by }: VolumeGrouping): { readonly group?: StreamGrouping } {
  if (by === 'labels') return { group: { by: 'name', ...(names ? { names: [...names] } : {}) } };
  return names ? { group: { by: 'labels', names: [...names] } } : {};
}

/** Bytes of one row of the answer. */
interface VolumeSeries {
  readonly labels: readonly LabelPair[];
  readonly name: string;
  /** Bytes by bucket. */
  readonly bytes: ReadonlyMap<number, number>;
}

/** Bytes of all streams that share the labels of a row. */
function* groupVolumes(answers: readonly TenantStreams[], grouping: VolumeGrouping): Work<VolumeSeries[]> {
  const groups = new Map<string, VolumeSeries & { readonly bytes: Map<number, number> }>();
  yield* visitStreams(answers, ({ labels, volume }) => {
    if (!volume) return;
    for (const { name, labels: rowLabels } of rowsOf(labels, grouping)) {
      let group = groups.get(name);
      if (!group) groups.set(name, (group = { labels: rowLabels, name, bytes: new Map() }));
      const { bytes } = group;
      volume.bucket.forEach((bucket, i) => bytes.set(bucket, (bytes.get(bucket) ?? 0) + volume.bytes[i]));
    }
  });
  return [...groups.values()];
}

/** Buckets of rows that are visited between two pauses. */
const bucketsPerSlice = 4096;

/**
 * Rows of the answer: the `max` largest of the first step, then new ones of the second step, and so on; rows
 * of equal size by name; the row without labels last. Loki answers a range step by step, each with the
 * request's limit: so a row may have samples of some steps only, and the answer may have more than `max`
 * rows.
 */
function* largestOfSteps(groups: readonly VolumeSeries[], max: number): Work<VolumeSeries[]> {
  const steps = new Map<number, VolumeSeries[]>();
  let iterations = 0;
  for (const group of groups) {
    for (const bucket of group.bytes.keys()) {
      if (++iterations % bucketsPerSlice === 0) yield;
      const step = steps.get(bucket);
      if (step) step.push(group);
      else steps.set(bucket, [group]);
    }
  }
  const rows = new Map<string, VolumeSeries & { readonly bytes: Map<number, number> }>();
  for (const [bucket, step] of [...steps].sort(([a], [b]) => a - b)) {
    const inOrder = yield* sorted(
      step,
      (a, b) =>
        lacksLabels(a) - lacksLabels(b) ||
        b.bytes.get(bucket)! - a.bytes.get(bucket)! ||
        compareText(a.name, b.name),
    );
    for (const group of inOrder.slice(0, max)) {
      let row = rows.get(group.name);
      if (!row) rows.set(group.name, (row = { ...group, bytes: new Map() }));
      row.bytes.set(bucket, group.bytes.get(bucket)!);
    }
    yield;
  }
  return [...rows.values()].sort((a, b) => lacksLabels(a) - lacksLabels(b));
}

function lacksLabels({ labels }: VolumeSeries): number {
  return labels.length === 0 ? 1 : 0;
}

/** The rows that a stream counts for. */
function rowsOf(
  labels: readonly LabelPair[],
  grouping: VolumeGrouping,
): { readonly name: string; readonly labels: readonly LabelPair[] }[] {
  const { names, by } = grouping;
  const rowLabels = labels.filter(([name]) => !isHiddenLabel(name) && (names?.has(name) ?? true));
  if (by === 'labels') return rowLabels.map(([name]) => ({ name, labels: [[name, '']] }));
  if (grouping.needsAll && rowLabels.length < (names?.size ?? 0)) return [];
  const text = rowLabels.map(([name, value]) => `${name}=${quoteGo(value)}`).join(', ');
  return [{ name: `{${text}}`, labels: rowLabels }];
}

/**
 * Returns the time of a bucket in seconds, as text: one millisecond before the bucket's end; for the last
 * bucket the end of the range.
 */
function bucketTimes({ startNs, endNs }: TimeRange, stepNs: bigint): (bucket: number) => string {
  if (stepNs === 0n) return () => secondsText(endNs);
  const firstNs = startNs - (((startNs % stepNs) + stepNs) % stepNs);
  return (bucket) => {
    const bucketEndNs = firstNs + BigInt(bucket + 1) * stepNs;
    return secondsText(bucketEndNs < endNs ? bucketEndNs - nsPerMs : endNs);
  };
}

/** A matrix only where some row has several samples: Loki's quirk, also of the range endpoint. */
function* encodeVolumes(series: readonly VolumeSeries[], timeOf: (bucket: number) => string): Work<string> {
  const isVector = series.every(({ bytes }) => bytes.size <= 1);
  const rows: string[] = [];
  let points = 0;
  for (const { labels, bytes } of series) {
    const values = [...bytes].map(([bucket, value]) => `[${timeOf(bucket)},"${value}"]`);
    rows.push(
      isVector
        ? `{"metric":${pairsJson(labels)},"value":${values[0]}}`
        : `{"metric":${pairsJson(labels)},"values":[${values.join(',')}]}`,
    );
    points += values.length;
    if (points < pointsPerSlice) continue;
    points = 0;
    yield;
  }
  return `"resultType":"${isVector ? 'vector' : 'matrix'}","result":[${rows.join(',')}]`;
}

/** Samples that are written between two pauses. */
const pointsPerSlice = 512;
