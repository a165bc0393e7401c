import { readFile } from 'node:fs/promises';
import type { Config, LimitsSource } from '@loki/config';
import type { HttpServer, TenantResolver } from '@loki/http';
import type { TenantId } from '@loki/model';
import type { Clock, Logger, ObjectStore, Random, Timers } from '@loki/ports';
import {
  AlertmanagerSink,
  alertsUrl,
  basicCredentials,
  LocalRuleStore,
  ObjectRuleStore,
  ownsAllRules,
  PrometheusRuleApi,
  readRelabelSteps,
  readRemoteClients,
  RemoteWriteSink,
  RuleConfigApi,
  Ruler,
  splitUrl,
} from '@loki/ruler';
import type { EvaluateRule, RemoteClient, RemoteServer, RuleOwner } from '@loki/ruler';
import { NodeDisk, NodeHttpClient } from '@loki/runtime';
import { rulerMetrics } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { prepareObjectStore } from './object-store.ts';

export interface RulerRoleDeps {
  readonly config: Config;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Where the state of alerts is kept, beside all else this process stores. */
  readonly objectStore: ObjectStore;
  readonly evaluate: EvaluateRule;
  /** Default: this ruler runs every group. */
  readonly owner?: RuleOwner;
}

export interface RulerRole {
  readonly config: RuleConfigApi;
  readonly prometheus: PrometheusRuleApi;
  stop(): Promise<void>;
}

/** Builds the ruler as the configuration wants it, and starts it. */
export async function startRuler(deps: RulerRoleDeps): Promise<RulerRole> {
  const { config, logger, limits } = deps;
  const options = config.ruler;
  const store = options.rulesAreFiles
    ? new LocalRuleStore(new NodeDisk(rulesDirectory(config)), logger)
    : new ObjectRuleStore(await prepareObjectStore(options.storage, logger), logger);
  const http = new NodeHttpClient();
  const shared = {
    ...deps,
    http,
    metrics: rulerMetrics(deps.metrics),
    readSecret: (path: string) => readFile(path, 'utf8'),
  };
  const ruler = new Ruler(
    {
      ...shared,
      store,
      stateObjects: deps.objectStore,
      owner: deps.owner ?? ownsAllRules,
      alerts: options.alertmanagerUrls.length > 0 ? alertmanagers(shared, config) : undefined,
      series: options.remoteWriteEnabled ? remoteWrite(shared, config, limits) : undefined,
    },
    { ...options, externalLabels: [...options.externalLabels] },
  );
  // Reading the store may take long, and nothing waits for it.
  const started = ruler.start().catch((error: unknown) => {
    logger.error('the ruler does not run', { err: String(error) });
  });
  return {
    config: new RuleConfigApi({ store, limits, ruler }),
    prometheus: new PrometheusRuleApi({ ruler }),
    async stop() {
      await started;
      await ruler.stop();
      http.close();
    },
  };
}

function rulesDirectory({ ruler }: Config): string {
  return ruler.storage.kind === 'filesystem' ? ruler.storage.directory : '';
}

type SinkDeps = ConstructorParameters<typeof AlertmanagerSink>[0] & { readonly clock: Clock };

function alertmanagers(deps: SinkDeps, { ruler }: Config): AlertmanagerSink {
  const { alertmanagerBasicAuth: basic, alertmanagerToken: token } = ruler;
  const servers = ruler.alertmanagerUrls.map((address): RemoteServer => {
    const { url, username, password } = splitUrl(address, 'ruler.alertmanager_url');
    const hasToken = token.credentials !== '' || token.credentialsFile !== '';
    return {
      url: alertsUrl(url),
      timeoutMs: ruler.notificationTimeoutMs,
      headers: new Map(),
      credentials: hasToken
        ? { kind: 'token', type: token.type, token: token.credentials, tokenFile: token.credentialsFile }
        : basicCredentials(basic.username || username, basic.password || password, ''),
      tls: {},
    };
  });
  return new AlertmanagerSink(deps, {
    servers,
    queueCapacity: ruler.notificationQueueCapacity,
    externalLabels: [...ruler.externalLabels],
    externalUrl: ruler.externalUrl,
    datasourceUid: ruler.datasourceUid,
    relabel: readRelabelSteps(ruler.alertRelabelConfigs, 'ruler.alert_relabel_configs'),
  });
}

function remoteWrite(deps: SinkDeps, { ruler }: Config, limits: LimitsSource): RemoteWriteSink {
  const common = readRemoteClients(ruler.remoteWriteClients, 'ruler.remote_write.clients');
  /** Clients of tenants with settings of their own, by those settings. */
  const special = new WeakMap<object, readonly RemoteClient[]>();
  const clientsOf = (tenant: TenantId): readonly RemoteClient[] => {
    const { rulerRemoteWriteDisabled, rulerRemoteWriteConfig: own } = limits.forTenant(tenant);
    if (rulerRemoteWriteDisabled) return [];
    if (typeof own !== 'object' || own === null) return common;
    const known = special.get(own);
    if (known) return known;
    const clients = tenantClients(deps.logger, tenant, ruler.remoteWriteClients, own) ?? common;
    special.set(own, clients);
    return clients;
  };
  return new RemoteWriteSink(
    { ...deps, disk: new NodeDisk(ruler.walDirectory) },
    { clientsOf, sendsTenant: ruler.remoteWriteAddOrgId, ageMaxMs: ruler.walMaxAgeMs },
  );
}

/** A tenant's clients: those of all, field by field with what the tenant has; undefined when that cannot be read. */
function tenantClients(
  logger: Logger,
  tenant: TenantId,
  base: unknown,
  own: object,
): readonly RemoteClient[] | undefined {
  const merged = new Map<string, unknown>(Object.entries((base ?? {}) as object));
  for (const [name, client] of Object.entries(own)) {
    const before = merged.get(name);
    merged.set(name, { ...(before as object | undefined), ...(client as object | null) });
  }
  try {
    return readRemoteClients(merged, 'ruler_remote_write_config');
  } catch (error) {
    logger.error("a tenant's remote write is not as it must be", { tenant, err: String(error) });
    return undefined;
  }
}

/** The endpoints of the ruler. */
export function routeRules(server: HttpServer, tenants: TenantResolver, role: RulerRole): void {
  const { config, prometheus } = role;
  const namespace = tenants.forOne((tenant, request) => {
    if (request.method === 'POST') return config.create(tenant, request);
    if (request.method === 'DELETE') return config.deleteNamespace(tenant, request);
    return config.list(tenant, request);
  });
  const group = tenants.forOne((tenant, request) =>
    request.method === 'DELETE' ? config.deleteGroup(tenant, request) : config.get(tenant, request),
  );
  const list = tenants.forOne((tenant, request) => config.list(tenant, request));
  const rules = tenants.forOne((tenant, request) => prometheus.rules(tenant, request));
  const alerts = tenants.forOne((tenant, request) => prometheus.alerts(tenant, request));
  server.handleAll({
    rules: list,
    rulesLegacy: list,
    rulesNamespace: namespace,
    rulesNamespaceLegacy: namespace,
    rulesGroup: group,
    rulesGroupLegacy: group,
    prometheusRules: rules,
    prometheusRulesLegacy: rules,
    prometheusAlerts: alerts,
    prometheusAlertsLegacy: alerts,
  });
}
