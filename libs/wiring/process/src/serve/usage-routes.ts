/**
 * `/usage`: how much of the whole system each tenant and process uses, from any process; for `lokictl top`.
 */
import type { Config, RuntimeConfig } from '@loki/config';
import { jsonResponse } from '@loki/ports';
import type { Clock } from '@loki/ports';
import type { Metrics } from '@loki/telemetry';
import type { Roles } from '../roles/roles.ts';
import { failuresOf } from './operator-routes.ts';
import { RingMembers } from './ring-members.ts';
import type { Handlers, MemberStatus, RingMembersDeps } from './ring-members.ts';

/** Counters of one tenant in one process, since its start; gauges as they are. */
interface TenantUsage {
  readonly tenant: string;
  receivedBytes: number;
  receivedLines: number;
  refusedLines: number;
  /** In heads that this process flushes. */
  streams: number;
  headBytes: number;
  /** Parts of queries that were queued, and that wait now. */
  queryParts: number;
  waitingParts: number;
  scannedBytes: number;
  streamsMax?: number;
  /** Of all distributors together, or of each one. */
  rateBytesMax?: number;
  isRateOfEach?: boolean;
}

/** One process: its memory, and its tenants with the most bytes and streams. */
interface ProcessUsage {
  readonly instance: string;
  readonly target: string;
  /** When the counters were read, in Unix ms. */
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly memoryBytes: number;
  readonly headBytes: number;
  readonly headBytesMax: number;
  readonly tenants: readonly TenantUsage[];
  readonly tenantCount: number;
}

/** Most tenants of one process in an answer: some 300 KB. */
const tenantsMax = 1_000;

/** Counters and gauges of tenants: a process has those of its roles. */
const counted = [
  ['loki_distributor_bytes_received_total', 'tenant', 'receivedBytes'],
  ['loki_distributor_lines_received_total', 'tenant', 'receivedLines'],
  ['loki_discarded_samples_total', 'tenant', 'refusedLines'],
  ['loki_query_scheduler_enqueue_count', 'user', 'queryParts'],
  ['loki_query_scheduler_queue_length', 'user', 'waitingParts'],
  ['loki_logql_querystats_bytes_processed_total', 'tenant', 'scannedBytes'],
] as const;

interface OwnUsageDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly limits: RuntimeConfig;
  readonly memory: { readonly memoryBytes: number; readonly headBytesMax: number };
  readonly instance: string;
  readonly roles: Pick<Roles, 'ingester'>;
}

/** `/usage/process`: the usage of this process alone. */
export function ownUsageHandlers(deps: OwnUsageDeps): Handlers {
  return { processUsage: async () => jsonResponse(await usageOf(deps)) };
}

async function usageOf(deps: OwnUsageDeps): Promise<ProcessUsage> {
  const { config, clock, memory, instance, roles } = deps;
  const tenants = await tenantsOf(deps);
  const { user, system } = process.cpuUsage();
  const heads = [...(roles.ingester?.usage().values() ?? [])];
  return {
    instance,
    target: config.target.join(','),
    atMs: clock.nowMs(),
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    memoryBytes: memory.memoryBytes,
    headBytes: Math.round(heads.reduce((sum, { bytes }) => sum + bytes, 0)),
    headBytesMax: roles.ingester ? memory.headBytesMax : 0,
    tenants: tenants.slice(0, tenantsMax).map((each) => ({ ...each, ...limitsOf(each.tenant, deps) })),
    tenantCount: tenants.length,
  };
}

/** The largest ones first. */
async function tenantsOf({ metrics, roles }: OwnUsageDeps): Promise<TenantUsage[]> {
  const tenants = new Map<string, TenantUsage>();
  const of = (tenant: string): TenantUsage => {
    let usage = tenants.get(tenant);
    if (!usage) {
      const ingest = { receivedBytes: 0, receivedLines: 0, refusedLines: 0, streams: 0, headBytes: 0 };
      usage = { tenant, ...ingest, queryParts: 0, waitingParts: 0, scannedBytes: 0 };
      tenants.set(tenant, usage);
    }
    return usage;
  };
  for (const [name, label, field] of counted) {
    for (const { labels, value } of await metrics.series(name)) of(String(labels[label]))[field] += value;
  }
  for (const [tenant, { streams, bytes }] of roles.ingester?.usage() ?? []) {
    const usage = of(tenant);
    usage.streams += streams;
    usage.headBytes += Math.round(bytes);
  }
  const size = (usage: TenantUsage) => usage.receivedBytes + usage.scannedBytes + usage.headBytes;
  return [...tenants.values()].sort((a, b) => size(b) - size(a));
}

function limitsOf(tenant: string, { limits }: OwnUsageDeps): Partial<TenantUsage> {
  const { maxGlobalStreamsPerUser, ingestionRateBytes, ingestionRateStrategy } = limits.forTenant(tenant);
  return {
    streamsMax: maxGlobalStreamsPerUser,
    rateBytesMax: ingestionRateBytes,
    isRateOfEach: ingestionRateStrategy === 'local',
  };
}

/** Rings whose members this route calls, each with the name of its members as peers. */
const askedRings = [
  ['ring', 'ingester'],
  ['distributor', 'distributor'],
  ['query-frontend', 'frontend'],
  ['compactor', 'compactor'],
  ['ruler', 'ruler'],
] as const;

/**
 * `/usage`: this process and the members of all rings, each once. Queriers are in no ring: only a querier's
 * own answer includes its usage.
 */
export function systemUsageHandlers(deps: RingMembersDeps & OwnUsageDeps): Handlers {
  const rings = askedRings.map(([name, peer]) => new RingMembers(deps, name, peer));
  return {
    usage: async (request) => {
      const own = await usageOf(deps);
      const addresses = new Set<string>();
      const answers = await Promise.all(
        rings.map(async (members): Promise<MemberStatus<ProcessUsage>[]> => {
          const peers = (await members.list()).filter((member) => {
            const isFirst = !members.isOwn(member) && !addresses.has(member.address);
            addresses.add(member.address);
            return isFirst;
          });
          return members.askThese<ProcessUsage>(peers, 'processUsage', request);
        }),
      );
      const others = answers.flat();
      const processes = [own, ...others.flatMap(({ status }) => (status ? [status] : []))];
      return jsonResponse({ processes, failures: failuresOf(others) });
    },
  };
}
