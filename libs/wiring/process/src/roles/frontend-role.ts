/** Starts the query frontend and its APIs in this process. */
import {
  ExplainApi,
  ExploreApi,
  ExportApi,
  MetadataApi,
  QueryApi,
  QueryFrontend,
  TailApi,
  VolumeApi,
} from '@loki/gateway';
import type { PatternService, Workers } from '@loki/ports';
import type { Querier } from '@loki/querier';
import { queryMetrics } from '@loki/telemetry';
import type { Cluster } from '../cluster/cluster.ts';
import type { RoleDeps } from './open-storage.ts';

/** APIs of the query frontend. */
export interface Frontend {
  readonly query: QueryApi;
  readonly metadata: MetadataApi;
  readonly tail: TailApi;
  readonly volume: VolumeApi;
  readonly explore: ExploreApi;
  readonly exports: ExportApi;
  readonly explain: ExplainApi;
}

/** Starts the query frontend and its APIs. */
export function startFrontend(
  deps: RoleDeps & { readonly cluster: Cluster; readonly workers: Workers | undefined },
  querier: Querier | undefined,
  patterns: PatternService | undefined,
): { api: Frontend; queries: QueryFrontend; stop: () => void } {
  const { config } = deps;
  const frontend = newFrontend(deps, querier);
  frontend.start();
  deps.cluster.serveFrontend(frontend);
  deps.states.addCheck(() => frontend.notReady());
  const { multiTenantQueriesEnabled, tailMaxDurationMs } = config.querier;
  const counted = queryMetrics(deps.metrics);
  const apiDeps = {
    ...deps,
    frontend,
    querier: querier ?? frontend.querier,
    patterns,
    multiTenantQueriesEnabled,
    tailMaxDurationMs,
    queryMetrics: counted,
    alignsWithStep: config.queryRange.alignQueriesWithStep,
  };
  return {
    api: {
      query: new QueryApi(apiDeps),
      metadata: new MetadataApi(apiDeps),
      tail: new TailApi(apiDeps),
      volume: new VolumeApi(apiDeps),
      explore: new ExploreApi(apiDeps),
      exports: new ExportApi(apiDeps),
      explain: new ExplainApi(apiDeps),
    },
    queries: frontend,
    stop: () => frontend.stop(),
  };
}

/** A frontend without APIs: the ruler has its own if no query frontend runs in its process. */
export function newFrontend(deps: RoleDeps, querier: Querier | undefined): QueryFrontend {
  const { maxOutstandingPerTenant, maxQueueLevels } = deps.config.frontend;
  const { maxConcurrent, perRequestLimitsEnabled, queryIngestersWithinMs } = deps.config.querier;
  const { maxRetries, parallelise, caches } = deps.config.queryRange;
  return new QueryFrontend(
    { ...deps, querier, queryMetrics: queryMetrics(deps.metrics) },
    {
      maxConcurrent,
      maxOutstandingPerTenant,
      maxRetries,
      actorLevelsMax: maxQueueLevels,
      recentMs: queryIngestersWithinMs,
      isSharding: parallelise,
      perRequestLimits: perRequestLimitsEnabled,
      cached: new Set(caches.keys()),
    },
  );
}
