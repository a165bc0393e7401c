/**
 * Connects each HTTP route with its handler, and determines the tenant: step *admit* of a written line and of
 * a query.
 */
import { renderConfig, renderLimitsYaml, visibleLimits } from '@loki/config';
import type { RuntimeConfig, Settings, Component, Config } from '@loki/config';
import { refusedPush } from '@loki/distributor';
import { RequestLog } from '@loki/gateway';
import { adminHandlers, tenantLimitsHandlers } from '@loki/http';
import type { RouteId, ServiceStates, TenantResolver } from '@loki/http';
import type { Clock, HttpGate, HttpHandler, Logger, RouteService, Timers } from '@loki/ports';
import { serveRoutes } from '@loki/rpc';
import type { RpcServer } from '@loki/rpc';
import { ringMetrics } from '@loki/telemetry';
import type { BuildInfo, LogControl, Metrics } from '@loki/telemetry';
import { ringOfOne, ringPageHandlers, ringStatus } from '../cluster/ring-pages.ts';
import type { RingRoute, RingSource } from '../cluster/ring-pages.ts';
import type { RingName, Rings } from '../cluster/rings.ts';
import type { Roles } from '../roles/roles.ts';
import { ruleHandlers, ruleRoutes } from '../roles/ruler-role.ts';
import type { MemoryBounds } from '../stores/memory-bounds.ts';
import { withinDeadline } from './flush-deadline.ts';
import type { HttpPorts } from './http-ports.ts';
import { ownStatusHandlers, ownWorkHandlers, systemStatusHandlers } from './operator-routes.ts';
import { ownUsageHandlers, systemUsageHandlers } from './usage-routes.ts';

interface RouteDeps {
  readonly server: HttpPorts;
  readonly rpc: RpcServer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly config: Config;
  readonly settings: Settings;
  readonly tenants: TenantResolver;
  readonly roles: Roles;
  readonly rings: Rings;
  readonly memory: Pick<MemoryBounds, 'memoryBytes' | 'headBytesMax'>;
  readonly states: ServiceStates;
  readonly metrics: Metrics;
  readonly limits: RuntimeConfig;
  readonly control: LogControl;
  readonly logger: Logger;
  readonly info: BuildInfo;
  readonly stop: () => Promise<void>;
}

const noContent = { status: 204 };

/** Routes that need no role: answered from the first moment on. */
export function routeOperators(
  deps: Pick<RouteDeps, 'server' | 'timers' | 'states' | 'metrics' | 'control' | 'info' | 'settings'>,
): void {
  const { server, timers, states, metrics, control, info, settings } = deps;
  server.handleAll(
    adminHandlers({
      timers,
      states,
      metrics,
      log: control,
      buildInfo: info,
      configText: (mode) => renderConfig(settings, mode),
    }),
  );
}

/** Sets the handler of each route whose role this process runs. */
export function routeProcess(deps: RouteDeps): void {
  const { server, tenants, roles, config } = deps;
  const published = config.tenantLimitsAllowPublish;
  server.handleAll(
    tenantLimitsHandlers({
      tenants,
      limits: (tenant) => visibleLimits(deps.limits.valuesForTenant(tenant), published),
      limitsYaml: (tenant) => renderLimitsYaml(deps.limits.valuesForTenant(tenant), published),
      patternIngesterEnabled: config.patternIngester.enabled,
      version: deps.info.version,
    }),
  );
  routePushes(deps);
  routeQueries(deps);
  routeDeletes(deps);
  routeRules(deps);
  routeRings(deps);
  const usage = { ...deps, instance: deps.rings.id };
  const own = { ...ownStatusHandlers(roles), ...ownUsageHandlers(usage) };
  server.handleAll({ ...own, ...ownWorkHandlers(roles) });
  server.handleAll(systemStatusHandlers({ ...deps, own }));
  server.handleAll(systemUsageHandlers({ ...usage, own }));
  serveOthers(deps, own);

  const { flush } = roles;
  if (flush) {
    const flushAll: HttpHandler = async (request) => {
      await withinDeadline(flush, request.signal, deps.timers);
      return noContent;
    };
    server.handle('flush', flushAll);
    // Records of all tenants are committed together: a flush for one tenant flushes all.
    server.handle(
      'flushTenant',
      tenants.forOne((_, request) => flushAll(request)),
    );
  }
  const { ingester, ingesterLifecycle: lifecycle } = roles;
  if (ingester && lifecycle) {
    server.handle('ingesterShutdown', async (request) => {
      const query = new URLSearchParams(request.queryText);
      const flushes = query.get('flush') !== 'false';
      if (flushes) await withinDeadline((signal) => ingester.flush(signal), request.signal, deps.timers);
      lifecycle.endWith({ flush: flushes });
      if (query.get('terminate') !== 'false') void deps.stop();
      return noContent;
    });
    server.handle('prepareShutdown', lifecycle.prepareShutdown);
    server.handle('preparePartitionDownscale', lifecycle.preparePartitionDownscale);
  }
}

/** The routes of rings, by the component of each. */
const ringRoutes = [
  ['ingester', 'ring'],
  ['distributor', 'distributorRing'],
  ['query-scheduler', 'schedulerRing'],
  ['ruler', 'rulerRing'],
  ['compactor', 'compactorRing'],
  ['index-gateway', 'indexGatewayRing'],
  ['pattern-ingester', 'patternRing'],
] as const satisfies readonly (readonly [Component, RingRoute])[];

/** Rings with more than one process. */
const knownRings = [
  ['ring', 'ring'],
  ['distributor', 'distributorRing'],
  ['compactor', 'compactorRing'],
  ['ruler', 'rulerRing'],
  ['query-frontend', 'schedulerRing'],
] as const satisfies readonly (readonly [RingName, RingRoute])[];

function routeRings({ server, config, clock, metrics, roles, rings: processRings }: RouteDeps): void {
  const { ring, components } = config;
  // Rings of this process alone.
  const soleRing = ringOfOne({
    id: processRings.id,
    address: `${ring.instanceAddr || '127.0.0.1'}:${ring.instancePort || config.server.grpcListenPort}`,
    zone: ring.zone,
    sinceMs: clock.nowMs(),
    clock,
  });
  const routes = ringRoutes.filter(([component]) => components.has(component));
  const rings: Partial<Record<RingRoute, RingSource>> = Object.fromEntries(
    routes.map(([, route]) => [route, soleRing]),
  );
  for (const [name, route] of knownRings) {
    const source = processRings.source(name);
    if (source) rings[route] = source;
    else if (ring.store !== 'memory') {
      server.handleAll({ [route]: lateRing(processRings, name, route, clock) });
    }
  }
  const partitions = { count: () => roles.partitionCount(), replicationFactor: ring.replicationFactor };
  server.handleAll(ringPageHandlers({ clock, rings, partitions }));
  ringMetrics(metrics, () => ringStatus(rings, processRings.id));
}

/** A ring that this process does not need: watched from the first request for its page on. */
function lateRing(rings: Rings, name: RingName, route: RingRoute, clock: Clock): HttpHandler {
  return async (request) => {
    await rings.view(name);
    return ringPageHandlers({ clock, rings: { [route]: rings.source(name)! } })[route]!(request);
  };
}

const deleteRoutes = ['deletes', 'cacheGenerations', 'cacheGenerationsIncrease'] as const satisfies RouteId[];

type Handlers = Partial<Readonly<Record<RouteId, HttpHandler>>>;

/** Routes that other processes answer: requests are forwarded unchanged. */
function forwarded(ids: readonly RouteId[], elsewhere: RouteService | undefined): Handlers {
  if (!elsewhere) return {};
  return Object.fromEntries(ids.map((id) => [id, (request) => elsewhere.call(id, request)]));
}

function deleteHandlers({ tenants, roles }: RouteDeps): Handlers {
  const deletes = roles.compactor?.deletes;
  if (!deletes) return {};
  const handler = tenants.forOne((tenant, request) => deletes.deletes(tenant, request));
  return {
    deletes: roles.longQueries?.readBefore(handler) ?? handler,
    cacheGenerations: tenants.forOne((tenant) => deletes.generation(tenant)),
    cacheGenerationsIncrease: tenants.forOne((tenant) => deletes.increaseGeneration(tenant)),
  };
}

function routeDeletes(deps: RouteDeps): void {
  deps.server.handleAll({
    ...forwarded(deleteRoutes, deps.roles.deletesElsewhere),
    ...deleteHandlers(deps),
  });
}

function routeRules({ server, tenants, roles, config }: RouteDeps): void {
  if (!config.ruler.enableApi) return;
  server.handleAll(forwarded(ruleRoutes, roles.rulesElsewhere));
  if (roles.ruler) server.handleAll(ruleHandlers(tenants, roles.ruler));
}

/**
 * Routes for other processes: gateways and rulers with remote evaluation, which forward requests, and those
 * that operators ask about the whole system.
 */
function serveOthers(deps: RouteDeps, own: Handlers): void {
  const { rpc, tenants, roles, config } = deps;
  const { frontend, ruler } = roles;
  const handlers: Handlers = {
    ...own,
    ...deleteHandlers(deps),
    ...(ruler && config.ruler.enableApi ? ruleHandlers(tenants, ruler) : {}),
    ...(frontend
      ? {
          query: roles.longQueries!.readBefore(
            tenants.forSeveral((tenancy, request) => frontend.query.query(request, tenancy)),
          ),
        }
      : {}),
  };
  serveRoutes(rpc, new Map(Object.entries(handlers)));
}

/** Number of pushes of a tenant that occupy the thread for 20 ms, until the next ones are read. */
const waitingPushesEnough = 32;

function routePushes({ server, tenants, roles }: RouteDeps): void {
  const { pushes } = roles;
  if (!pushes) return;
  const push: HttpHandler = tenants.forOne((tenant, request) => pushes.push(tenant, request));
  server.handleAll({ push, pushLegacy: push, pushOtlp: push });
  const gate: HttpGate = {
    holderOf: (request) => tenants.one(request),
    isBusy: (tenant) => (pushes.waitingPushes?.(tenant) ?? 0) >= waitingPushesEnough,
    refusal: refusedPush,
  };
  server.guard(['push', 'pushLegacy', 'pushOtlp'], gate);
}

function routeQueries({ server, tenants, roles, config, clock, logger }: RouteDeps): void {
  const { frontend, longQueries } = roles;
  if (!frontend || !longQueries) return;
  const { query, metadata, tail, volume, explore, exports, explain } = frontend;
  const { logQueriesLongerThanMs, queryStatsEnabled, logQueryRequestHeaders } = config.frontend;
  const log = new RequestLog(
    { clock, logger },
    {
      slowerThanMs: logQueriesLongerThanMs,
      statsEnabled: queryStatsEnabled,
      headers: logQueryRequestHeaders,
    },
  );
  const queryRange = tenants.forSeveral((tenancy, request) => query.queryRange(request, tenancy));
  const labels = tenants.forSeveral((tenancy, request) => metadata.labels(request, tenancy));
  const labelValues = tenants.forSeveral((tenancy, request) => metadata.labelValues(request, tenancy));
  const series = tenants.forSeveral((tenancy, request) => metadata.series(request, tenancy));
  const handlers: Handlers = {
    queryRange,
    query: tenants.forSeveral((tenancy, request) => query.query(request, tenancy)),
    queryLegacy: tenants.forSeveral((tenancy, request) => query.legacyQuery(request, tenancy)),
    formatQuery: (request) => query.formatQuery(request),
    explain: tenants.forSeveral((tenancy, request) => explain.explain(request, tenancy)),
    export: tenants.forSeveral((tenancy, request) => exports.start(request, tenancy)),
    labels,
    label: labels,
    labelLegacy: labels,
    labelValues,
    labelValuesLegacy: labelValues,
    series,
    seriesLegacy: series,
    indexStats: tenants.forSeveral((tenancy, request) => metadata.indexStats(request, tenancy)),
    indexShards: tenants.forSeveral((tenancy, request) => metadata.indexShards(request, tenancy)),
    indexVolume: tenants.forSeveral((tenancy, request) => volume.volume(request, tenancy)),
    indexVolumeRange: tenants.forSeveral((tenancy, request) => volume.volumeRange(request, tenancy)),
    detectedLabels: tenants.forSeveral((tenancy, request) => explore.detectedLabels(request, tenancy)),
    detectedFields: tenants.forSeveral((tenancy, request) => explore.detectedFields(request, tenancy)),
    detectedFieldValues: tenants.forSeveral((tenancy, request) =>
      explore.detectedFieldValues(request, tenancy),
    ),
    patterns: tenants.forSeveral((tenancy, request) => explore.patterns(request, tenancy)),
  };
  for (const [id, handler] of Object.entries(handlers)) {
    server.handle(id as RouteId, log.watch(id === 'formatQuery' ? handler : longQueries.readBefore(handler)));
  }
  for (const id of ['tail', 'tailLegacy'] as const) {
    server.upgrade(id, async (request) => {
      const tenancy = tenants.several(request);
      await longQueries.read(request);
      return tail.prepare(request, tenancy);
    });
  }
}
