/** Starts the ruler in this process: the story of a rule. */
import { readFile } from 'node:fs/promises';
import type { Config, LimitsSource } from '@loki/config';
import type { QueryFrontend } from '@loki/gateway';
import type { RouteId, TenantResolver } from '@loki/http';
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Clock, HttpHandler, Logger, ObjectStore, Random, Timers, Workers } from '@loki/ports';
import { serveRuler } from '@loki/rpc';
import type { RpcServer } from '@loki/rpc';
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
import type { EvaluateRule, RemoteClient, RemoteServer, RuleOwner, RulerPeers } from '@loki/ruler';
import { NodeDisk, NodeHttpClient } from '@loki/runtime';
import { rulerMetrics } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { watchAddresses } from '../cluster/addresses.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { RingRulerPeers } from '../cluster/ring-ruler-peers.ts';
import type { Rings } from '../cluster/rings.ts';
import { RouteForwarder } from '../cluster/route-forwarder.ts';
import { prepareObjectStore } from '../stores/object-store.ts';
import { localEvaluator, readFirst, remoteEvaluator, withJitter } from './rule-evaluator.ts';

interface RulerRoleDeps {
  readonly config: Config;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Object store for the state of alerts. */
  readonly objectStore: ObjectStore;
  readonly workers: Workers;
  readonly cluster: Cluster;
  readonly rings: Rings;
  readonly rpc: RpcServer;
  /** Called with the missing service that the start waits for; undefined: none. */
  readonly onMissing: (text: string | undefined) => void;
  /** A query path in this process; called only if rules are evaluated here. */
  readonly localFrontend: () => Promise<QueryFrontend>;
}

export interface RulerRole {
  readonly config: RuleConfigApi;
  readonly prometheus: PrometheusRuleApi;
  stop(): Promise<void>;
}

/** Builds and starts the ruler. */
export async function startRuler(deps: RulerRoleDeps): Promise<RulerRole> {
  const { config, logger, limits, rings, cluster } = deps;
  const options = config.ruler;
  const evaluation = await openEvaluation(deps);
  const peers: RulerPeers = new RingRulerPeers({
    ...deps,
    rulers: await rings.view('ruler'),
    ownId: rings.idIn('ruler'),
    channels: cluster.channels('ruler'),
  });
  const store = options.rulesAreFiles
    ? new LocalRuleStore(new NodeDisk(rulesDirectory(config)), logger)
    : new ObjectRuleStore(await prepareObjectStore(options.storage, deps), logger, deps.workers);
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
      evaluate: withJitter(
        readFirst(evaluation.evaluate, deps.workers),
        deps.timers,
        options.evaluation.maxJitterMs,
      ),
      owner: options.enableSharding ? await ownerOf(deps) : ownsAllRules,
      alerts: options.alertmanagerUrls.length > 0 ? alertmanagers(shared, config) : undefined,
      series: options.remoteWriteEnabled ? remoteWrite(shared, config, limits) : undefined,
    },
    { ...options, externalLabels: [...options.externalLabels] },
  );
  // Reading the store may take long; the start does not wait for it.
  const started = ruler.start().catch((error: unknown) => {
    logger.error('the ruler did not start', { err: String(error) });
  });
  let isStopping = false;
  // Without sharding each ruler runs all groups, and need not ask the others.
  const sharing = options.enableSharding ? { peers } : {};
  const prometheus = new PrometheusRuleApi({ ruler, turns: deps, ...sharing });
  serveRuler(deps.rpc, {
    groups: async (tenant) => {
      // Running groups move to another ruler soon; until then the peers must not report them as missing.
      if (isStopping) throw new LokiError('unavailable', 'the ruler stops');
      return JSON.stringify(await prometheus.own(tenant));
    },
    rulesChanged: (tenant) => ruler.rulesChanged(tenant),
  });
  cluster.announce('ruler');
  return {
    config: new RuleConfigApi({ store, limits, ruler, peers, workers: deps.workers, turns: deps }),
    prometheus,
    async stop() {
      isStopping = true;
      await started;
      await ruler.stop();
      evaluation.stop();
      http.close();
    },
  };
}

/** The groups that the ring of rulers assigns to this one. */
async function ownerOf({ config, rings, limits }: RulerRoleDeps): Promise<RuleOwner> {
  const share = await rings.share('ruler');
  const { isShuffled } = config.ruler;
  return {
    owns: (tenant, key) =>
      share.owns(
        key,
        isShuffled ? { key: tenant, size: limits.forTenant(tenant).rulerTenantShardSize } : undefined,
      ),
    onChange: (callback) => share.onChange(callback),
  };
}

/**
 * Opens the evaluation of expressions: in this process, or by the query frontends of the configuration or the
 * ring.
 */
async function openEvaluation(deps: RulerRoleDeps): Promise<{ evaluate: EvaluateRule; stop(): void }> {
  const { config, cluster, timers, logger, clock } = deps;
  const { isRemote, frontendAddress } = config.ruler.evaluation;
  if (!isRemote) return { evaluate: localEvaluator(await deps.localFrontend()), stop: () => undefined };
  if (frontendAddress === '') {
    const frontends = await cluster.forwarder('query-frontend', evaluationDeadlineMs);
    return { evaluate: remoteEvaluator({ ...deps, frontends }), stop: () => undefined };
  }
  let addresses: readonly string[] = [];
  const listeners: (() => void)[] = [];
  const frontends = new RouteForwarder({
    name: 'query-frontend',
    addresses: () => addresses,
    onChange: (listener) => void listeners.push(listener),
    channels: cluster.channels('ruleFrontend'),
    clock,
    logger,
    deadlineMs: evaluationDeadlineMs,
  });
  const stop = watchAddresses({
    addresses: [frontendAddress],
    periodMs: frontendLookupMs,
    timers,
    logger,
    onChange: (newAddresses) => {
      addresses = [...newAddresses];
      for (const listener of listeners) listener();
    },
  });
  return { evaluate: remoteEvaluator({ ...deps, frontends }), stop };
}

/** Rules have deadlines per tenant; this one is for a frontend that never answers. */
const evaluationDeadlineMs = 600_000;
/** The default of queriers for looking up frontends. */
const frontendLookupMs = 10_000;

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
  /** Clients of tenants with their own settings, cached by these settings. */
  const special = new WeakMap<object, readonly RemoteClient[]>();
  const clientsOf = (tenant: TenantId): readonly RemoteClient[] => {
    const { rulerRemoteWriteDisabled, rulerRemoteWriteConfig: own } = limits.forTenant(tenant);
    if (rulerRemoteWriteDisabled) return [];
    if (typeof own !== 'object' || own === null) return common;
    const ownClients = special.get(own);
    if (ownClients) return ownClients;
    const clients = tenantClients(deps.logger, tenant, ruler.remoteWriteClients, own) ?? common;
    special.set(own, clients);
    return clients;
  };
  return new RemoteWriteSink(
    { ...deps, disk: new NodeDisk(ruler.walDirectory) },
    { clientsOf, sendsTenant: ruler.remoteWriteAddOrgId, ageMaxMs: ruler.walMaxAgeMs },
  );
}

/** A tenant's clients: the common ones, overridden field by field; undefined if the settings are invalid. */
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

/** The routes of the ruler, which processes without one forward. */
export const ruleRoutes = [
  'rules',
  'rulesLegacy',
  'rulesNamespace',
  'rulesNamespaceLegacy',
  'rulesGroup',
  'rulesGroupLegacy',
  'prometheusRules',
  'prometheusRulesLegacy',
  'prometheusAlerts',
  'prometheusAlertsLegacy',
] as const satisfies readonly RouteId[];

export function ruleHandlers(
  tenants: TenantResolver,
  role: RulerRole,
): Readonly<Record<(typeof ruleRoutes)[number], HttpHandler>> {
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
  return {
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
  };
}
