/** Options of the query frontend and of a query, the services that it uses, and its answer. */
import type { Limits, LimitsSource } from '@loki/config';
import type { QueryOutcome, QueryThread } from '@loki/engine';
import type { Clock, Logger, QuerierService, Random, ResultsKind, Timers } from '@loki/ports';
import type { QueryMetrics } from '@loki/telemetry';
import type { WholeQuery } from '../limits/request-limits.ts';
import type { ActorPath } from './actor-queue.ts';

export interface FrontendOptions {
  /** Leaves that the querier of this process runs side by side. */
  readonly maxConcurrent: number;
  /** Leaves one tenant may have waiting. */
  readonly maxOutstandingPerTenant: number;
  /** Retries of a part that a querier could not answer. Default 5. */
  readonly maxRetries?: number;
  /** Whether a query's parts may be cut by stream. Default: yes. */
  readonly isSharding?: boolean;
  /** `querier.query_ingesters_within`, for `split_ingester_queries_by_interval`; 0: all time. */
  readonly recentMs?: number;
  /** Maximum depth of `X-Loki-Actor-Path`; 0: actors are not distinguished. Default: 3. */
  readonly actorLevelsMax?: number;
  /** Clients may ask for tighter limits (`querier.per_request_limits_enabled`). Default: no. */
  readonly perRequestLimits?: boolean;
  /** Kinds of answers that queriers cache. Default: none. */
  readonly cached?: ReadonlySet<ResultsKind>;
}

export interface QueryOptions {
  /** Aborts when the client has gone; the query then ends. */
  readonly client: AbortSignal;
  /** The client refuses cached results (`Cache-Control: no-cache`). */
  readonly noCache?: boolean;
  /** Replaces the tenants' own limits. */
  readonly limits?: Limits;
  /** The whole query that this one was split from (`X-Loki-Query-Limits-Context`). */
  readonly whole?: WholeQuery;
  /** The actor within the tenant (`X-Loki-Actor-Path`). */
  readonly actor?: ActorPath;
}

export interface LeafRunnerOptions extends Pick<QueryOptions, 'noCache' | 'actor'> {
  readonly isInstant: boolean;
  readonly limits: Limits;
  /** Receives the wait of each part for a querier, in milliseconds. */
  readonly onQueued: (ms: number) => void;
}

export interface FrontendDeps {
  /** The querier of this process. Absent: remote queriers fetch work, see `serve`. */
  readonly querier?: QuerierService;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Spreads retries. */
  readonly random: Pick<Random, 'float'>;
  readonly logger: Logger;
  readonly queryMetrics?: QueryMetrics;
  /** The main thread's queue of sliced work; absent: the frontend makes its own. */
  readonly queryThread?: QueryThread;
}

export interface Answer extends QueryOutcome {
  readonly execSeconds: number;
  /** Summed over all parts. */
  readonly queueSeconds: number;
  /** Stretches of time that leaves were cut into; 0: no leaf was cut. */
  readonly splits: number;
  /** Parts that queriers answered. */
  readonly parts: number;
  /** Some part was cut by stream. */
  readonly isSharded: boolean;
}
