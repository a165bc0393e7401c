/** Helpers of gateway tests: a querier that answers from lists, a frontend, requests. */
import type { Limits } from '@loki/config';
import { parseTenantId } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type {
  Clock,
  HttpRequest,
  LabelSet,
  LeafRequest,
  LogLeafResult,
  Logger,
  QuerierService,
  StoredBytesRequest,
  StreamsRequest,
  StreamVolume,
  Timers,
  Tenancy,
} from '@loki/ports';
import type { FrontendOptions } from '../frontend/frontend-options.ts';
import { QueryFrontend } from '../frontend/query-frontend.ts';

/** Now, for tests. */
export const nowNs = 1_700_000_400_000_000_000n;
export const clock: Clock = {
  nowNs: () => nowNs,
  nowMs: () => Number(nowNs / 1_000_000n),
  monotonicMs: () => 0,
};

/** Not random: retries do not depend on it. */
export const random = { float: () => 0.5 };
export const timers: Timers = { after: () => ({ cancel() {} }), sleep: () => Promise.resolve() };

export const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** The limits that the routes under test read. */
export const limitsDefault = {
  queryTimeoutMs: 0,
  maxQueryParallelism: 32,
  tsdbMaxQueryParallelism: 128,
  tsdbMaxBytesPerShard: 600_000_000,
  tsdbShardingStrategy: 'power_of_two',
  minShardingLookbackMs: 0,
  maxQueriersPerTenant: 0,
  maxQueryCapacity: 0,
  maxQueryBytesRead: 0,
  maxQuerierBytesRead: 0,
  shardAggregations: [],
  splitQueriesByIntervalMs: 3_600_000,
  splitInstantMetricQueriesByIntervalMs: 3_600_000,
  splitIngesterQueriesByIntervalMs: 0,
  splitMetadataQueriesByIntervalMs: 86_400_000,
  splitRecentMetadataQueriesByIntervalMs: 3_600_000,
  recentMetadataQueryWindowMs: 0,
  maxCacheFreshnessMs: 600_000,
  maxMetadataCacheFreshnessMs: 86_400_000,
  maxStatsCacheFreshnessMs: 600_000,
  maxQueryLengthMs: 0,
  maxEntriesLimitPerQuery: 5000,
  maxQueryLookbackMs: 0,
  maxQueryRangeMs: 0,
  maxQuerySeries: 500,
  maxStreamsMatchersPerQuery: 0,
  requiredLabels: [],
  minimumLabelsNumber: 0,
  blockedQueries: [],
  volumeEnabled: true,
  volumeMaxSeries: 1000,
} as unknown as Limits;

export interface TestRow {
  readonly ts: bigint;
  readonly line: string;
  readonly stream: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly parsed?: Readonly<Record<string, string>>;
}

/** A querier that answers from lists, by tenant, and records its requests. */
export class TestQuerier implements QuerierService {
  readonly requests: (LeafRequest | StreamsRequest)[] = [];
  readonly rows = new Map<string, TestRow[]>();
  readonly volumes = new Map<string, StreamVolume[]>();

  async runLeaf(request: LeafRequest): Promise<LogLeafResult> {
    this.requests.push(request);
    return Promise.resolve(logResult(this.rows.get(request.tenant) ?? []));
  }

  async streams(request: StreamsRequest): Promise<readonly StreamVolume[]> {
    this.requests.push(request);
    return Promise.resolve(this.volumes.get(request.tenant) ?? []);
  }

  async storedBytes(_request: StoredBytesRequest): Promise<readonly number[]> {
    return Promise.resolve([]);
  }

  async *tail(): AsyncIterable<never> {}
}

/** A running frontend over the querier. */
export function testFrontend(
  querier: QuerierService,
  limits: Partial<Limits> = {},
  options: Partial<FrontendOptions> = {},
): QueryFrontend {
  const all = { ...limitsDefault, ...limits };
  const frontend = new QueryFrontend(
    { querier, limits: { forTenant: () => all }, clock, timers, random, logger },
    { maxConcurrent: 4, maxOutstandingPerTenant: 100, ...options },
  );
  frontend.start();
  return frontend;
}

/** The rows as one log result, in the order given. */
export function logResult(rows: readonly TestRow[]): LogLeafResult {
  const lines = rows.map(({ line }) => Buffer.from(line));
  let end = 0;
  return {
    kind: 'log',
    labelSets: rows.map(({ stream, metadata = {}, parsed = {} }): LabelSet => ({
      stream: Object.entries(stream),
      structuredMetadata: Object.entries(metadata),
      parsed: Object.entries(parsed),
      origin: { hash: 0n, text: '' },
    })),
    labelSet: Uint32Array.from(rows, (_, i) => i),
    timestampNs: BigInt64Array.from(rows, ({ ts }) => ts),
    lineEnds: Uint32Array.from(lines, (line) => (end += line.length)),
    lines: Buffer.concat(lines),
    stats: emptyLeafStats(),
  };
}

export function tenancyOf(...ids: string[]): Tenancy {
  return { ids: ids.map(parseTenantId), isMulti: ids.length > 1 };
}

export function getRequest(query: Record<string, string>, params: Record<string, string> = {}): HttpRequest {
  return {
    method: 'GET',
    path: '/',
    params: new Map(Object.entries(params)),
    queryText: new URLSearchParams(query).toString(),
    headers: new Map(),
    body: Buffer.alloc(0),
    remoteAddress: '',
    signal: new AbortController().signal,
  };
}
