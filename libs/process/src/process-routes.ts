import { renderConfig, renderLimitsYaml, visibleLimits } from '@loki/config';
import type { RuntimeConfig, Settings } from '@loki/config';
import { adminHandlers, tenantLimitsHandlers } from '@loki/http';
import type { HttpServer, ServiceStates, TenantResolver } from '@loki/http';
import type { Component, Config } from '@loki/config';
import type { Clock, HttpHandler } from '@loki/ports';
import type { BuildInfo, LogControl, Metrics } from '@loki/telemetry';
import { ringOfOne, ringPageHandlers } from './ring-pages.ts';
import type { RingRoute, RingSource } from './ring-pages.ts';
import type { Rings } from './rings.ts';
import type { Roles } from './roles.ts';
import { routeRules } from './ruler-role.ts';

export interface RouteDeps {
  readonly server: HttpServer;
  readonly clock: Clock;
  readonly config: Config;
  readonly settings: Settings;
  readonly tenants: TenantResolver;
  readonly roles: Roles;
  readonly rings: Rings;
  readonly states: ServiceStates;
  readonly metrics: Metrics;
  readonly limits: RuntimeConfig;
  readonly control: LogControl;
  readonly info: BuildInfo;
  readonly stop: () => Promise<void>;
}

const noContent = { status: 204 };

/** Gives each route its handler, as far as this process runs the role that answers it. */
export function routeProcess(deps: RouteDeps): void {
  const { server, tenants, roles, config } = deps;
  server.handleAll(
    adminHandlers({
      states: deps.states,
      metrics: deps.metrics,
      log: deps.control,
      buildInfo: deps.info,
      configText: (mode) => renderConfig(deps.settings, mode),
    }),
  );
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
  if (roles.ruler && config.ruler.enableApi) routeRules(server, tenants, roles.ruler);
  routeRings(deps);

  const { flush } = roles;
  if (flush) {
    server.handle('flush', async (request) => {
      await flush(request.signal);
      return noContent;
    });
  }
  if (roles.ingester) {
    const { ingester } = roles;
    server.handle('ingesterShutdown', async (request) => {
      const query = new URLSearchParams(request.queryText);
      if (query.get('flush') !== 'false') await ingester.flush(request.signal);
      if (query.get('terminate') !== 'false') void deps.stop();
      return noContent;
    });
  }
}

/** The rings that this process would show, by the component that each is of. */
const ringRoutes = [
  ['ingester', 'ring'],
  ['distributor', 'distributorRing'],
  ['query-scheduler', 'schedulerRing'],
  ['ruler', 'rulerRing'],
  ['compactor', 'compactorRing'],
  ['index-gateway', 'indexGatewayRing'],
  ['pattern-ingester', 'patternRing'],
] as const satisfies readonly (readonly [Component, RingRoute])[];

function routeRings({ server, config, clock, rings: known }: RouteDeps): void {
  const { ring, components, writeLog } = config;
  // Rings that nobody else is in.
  const alone = ringOfOne({
    id: known.id,
    address: `${ring.instanceAddr || '127.0.0.1'}:${ring.instancePort || config.server.grpcListenPort}`,
    zone: ring.zone,
    sinceMs: clock.nowMs(),
    clock,
  });
  const shown = ringRoutes.filter(([component]) => components.has(component));
  const rings: Partial<Record<RingRoute, RingSource>> = Object.fromEntries(
    shown.map(([, route]) => [route, alone]),
  );
  const ingesters = known.source('ring');
  const distributors = known.source('distributor');
  if (ingesters) rings.ring = ingesters;
  if (distributors) rings.distributorRing = distributors;
  const partitions = { count: writeLog.partitions, replicationFactor: ring.replicationFactor };
  server.handleAll(ringPageHandlers({ clock, rings, partitions }));
}

function routePushes({ server, tenants, roles }: RouteDeps): void {
  const { pushes } = roles;
  if (!pushes) return;
  const push: HttpHandler = tenants.forOne((tenant, request) => pushes.push(tenant, request));
  server.handleAll({ push, pushLegacy: push, pushOtlp: push });
}

function routeDeletes({ server, tenants, roles }: RouteDeps): void {
  const deletes = roles.compactor?.deletes;
  if (!deletes) return;
  server.handleAll({
    deletes: tenants.forOne((tenant, request) => deletes.deletes(tenant, request)),
    cacheGenerations: tenants.forOne((tenant) => deletes.generation(tenant)),
    cacheGenerationsIncrease: tenants.forOne((tenant) => deletes.increaseGeneration(tenant)),
  });
}

function routeQueries({ server, tenants, roles }: RouteDeps): void {
  const { frontend } = roles;
  if (!frontend) return;
  const { query, metadata, tail, volume, explore, exports } = frontend;
  const queryRange = tenants.forSeveral((tenancy, request) => query.queryRange(request, tenancy));
  const labels = tenants.forSeveral((tenancy, request) => metadata.labels(request, tenancy));
  const labelValues = tenants.forSeveral((tenancy, request) => metadata.labelValues(request, tenancy));
  const series = tenants.forSeveral((tenancy, request) => metadata.series(request, tenancy));
  server.handleAll({
    queryRange,
    query: tenants.forSeveral((tenancy, request) => query.query(request, tenancy)),
    queryLegacy: tenants.forSeveral((tenancy, request) => query.legacyQuery(request, tenancy)),
    formatQuery: (request) => query.formatQuery(request),
    export: tenants.forSeveral((tenancy, request) => exports.start(request, tenancy)),
    labels,
    label: labels,
    labelLegacy: labels,
    labelValues,
    labelValuesLegacy: labelValues,
    series,
    seriesLegacy: series,
    indexStats: tenants.forSeveral((tenancy, request) => metadata.indexStats(request, tenancy)),
    indexVolume: tenants.forSeveral((tenancy, request) => volume.volume(request, tenancy)),
    indexVolumeRange: tenants.forSeveral((tenancy, request) => volume.volumeRange(request, tenancy)),
    detectedLabels: tenants.forSeveral((tenancy, request) => explore.detectedLabels(request, tenancy)),
    detectedFields: tenants.forSeveral((tenancy, request) => explore.detectedFields(request, tenancy)),
    detectedFieldValues: tenants.forSeveral((tenancy, request) =>
      explore.detectedFieldValues(request, tenancy),
    ),
    patterns: tenants.forSeveral((tenancy, request) => explore.patterns(request, tenancy)),
  });
  for (const id of ['tail', 'tailLegacy'] as const) {
    server.upgrade(id, (request) => tail.prepare(request, tenants.several(request)));
  }
}
