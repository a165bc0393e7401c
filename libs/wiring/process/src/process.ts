/** The life of a process: builds adapters, starts roles, serves HTTP and gRPC, stops in order. */
import os from 'node:os';
import { RuntimeConfig } from '@loki/config';
import type { Config, LoadedConfig } from '@loki/config';
import { QueryThread } from '@loki/engine';
import { ServiceStates, TenantResolver } from '@loki/http';
import type { Clock, Logger, Timers } from '@loki/ports';
import { RpcServer, rpcMessageBytesMax } from '@loki/rpc';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import {
  buildInfoMetric,
  collectProcessMetrics,
  IdleTenants,
  commonMetrics,
  droppedLogLinesMetric,
  Metrics,
  refusedRpcConnectionsMetric,
  serverMetrics,
  startTracing,
} from '@loki/telemetry';
import type { BuildInfo, LogControl, LogLevel } from '@loki/telemetry';
import { Rings } from './cluster/rings.ts';
import { overridesReader } from './overrides-thread.ts';
import { limitSyntaxChecks } from './roles/limit-syntax-checks.ts';
import { startRoles } from './roles/roles.ts';
import { watchCertificates } from './serve/certificates.ts';
import { descriptorsMax, rpcConnectionsMaxOf } from './serve/descriptors.ts';
import { HttpPorts } from './serve/http-ports.ts';
import { openPort } from './serve/open-port.ts';
import { routeOperators, routeProcess } from './serve/process-routes.ts';
import { RpcHealth } from './serve/rpc-health.ts';
import type { Adapters } from './stores/adapters.ts';
import { lockDirectories } from './stores/directory-lock.ts';
import type { OwnDirectory } from './stores/directory-lock.ts';
import { inMib, memoryBoundsOf, processMemoryBytes, threadsOf } from './stores/memory-bounds.ts';

type RunConfig = Extract<LoadedConfig, { kind: 'run' }>;

export interface ProcessDeps extends RunConfig {
  readonly logger: Logger;
  readonly control: LogControl;
  /** Own log lines that were lost since the start. */
  readonly droppedLogLines: () => number;
  readonly info: BuildInfo;
  readonly readText: (path: string) => Promise<string | undefined>;
  readonly adapters?: Adapters;
}

export interface RunningProcess {
  /** Called for each line that this process logs. */
  readonly countLine: (level: LogLevel) => void;
  /** Resolves when the process has stopped; rejects on a fatal error. */
  readonly ended: Promise<void>;
  /** Accepts nothing new, finishes running requests, flushes if configured. */
  stop(): Promise<void>;
}

/** Grace period of operators' requests that are still running when everything else has stopped. */
const adminGraceMs = 1_000;
/**
 * Time without a change after which the metrics of a tenant are dropped; scrapes are minutes apart at most.
 */
const tenantIdleMs = 30 * 60_000;
/** Grace period of running calls after all other processes have seen that this one leaves. */
const rpcGraceMs = 5_000;

/**
 * Builds adapters, starts roles, serves HTTP. Resolves when connections are accepted; readiness may come
 * later.
 */
export async function startProcess(deps: ProcessDeps): Promise<RunningProcess> {
  const { config, logger } = deps;
  const unlock = lockDirectories(writtenDirectories(config));
  const machineClock = new NodeClock();
  const clock = deps.adapters?.clock?.(machineClock) ?? machineClock;
  const timers = new NodeTimers();
  const { metrics, common, sweeps } = openMetrics(deps, { clock, timers });
  const stopTracing = await startTracing({
    serviceName: 'loki',
    serviceVersion: deps.info.version,
    endpoint: config.tracing.otlpEndpoint || (process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? ''),
    samplingRatio: config.tracing.samplingRatio,
  });
  const limits = runtimeConfig(deps, timers, common);
  await limits.start();

  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<void>();
  ended.catch(() => undefined); // the caller receives the failure when it awaits `ended`
  const states = new ServiceStates();
  const rpc = rpcServer(config, { logger, clock, timers, metrics });
  const random = new NodeRandom();
  // Required services may be unavailable: until then operators' routes answer, and clients get 503.
  let missing: string | undefined = 'the process is starting';
  const onMissing = (text: string | undefined) => (missing = text ?? 'the process is starting');
  const rings = new Rings({ config, clock, timers, random, logger, metrics, rpc, onMissing });
  const memory = memoryBoundsOf(processMemoryBytes(), threadsOf(config));
  logger.info('memory bounds', inMib(memory));
  watchCertificates(config, metrics);
  const served = serverMetrics(metrics);
  const server = new HttpPorts(config, memory, { clock, timers, logger, metrics: served });
  states.addCheck(() => missing);
  server.isStarting = true;
  routeOperators({ ...deps, server, timers, states, metrics });
  const ports = await server.listen();
  const roles = await startRoles({
    config,
    source: deps.source,
    memory,
    queryThread: new QueryThread({ bytesMax: memory.rootBytesMax, clock, timers }),
    limits,
    clock,
    timers,
    random,
    logger,
    metrics,
    server: served,
    states,
    rpc,
    rings,
    adapters: deps.adapters,
    fail,
    onMissing,
  });
  const tenants = new TenantResolver({
    authEnabled: config.authEnabled,
    noAuthTenant: config.noAuthTenant,
    multiTenantQueriesEnabled: config.querier.multiTenantQueriesEnabled,
  });
  const health = new RpcHealth({ rpc, states, timers });
  let stopping: Promise<void> | undefined;
  const stopAll = async () => {
    states.stopping();
    health.stop();
    server.drainClients();
    // Senders of requests need a moment to learn of the shutdown.
    if (config.shutdownDelayMs > 0) await timers.sleep(config.shutdownDelayMs);
    roles.frontend?.exports.stop();
    await server.stopClients(config.server.gracefulShutdownTimeoutMs);
    await roles.leave();
    await rpc.stop((cut) => timers.after(rpcGraceMs, cut));
    await server.stopOperators(adminGraceMs);
    await roles.stop();
    await rings.stop();
    limits.stop();
    sweeps.abort();
    await stopTracing().catch((error: unknown) =>
      logger.warn('the last spans were not sent', { err: String(error) }),
    );
    unlock();
    end();
  };
  // Operators may request it while a stop is running.
  const stop = () => (stopping ??= stopAll());
  routeProcess({
    ...deps,
    server,
    rpc,
    clock,
    timers,
    tenants,
    roles,
    rings,
    memory,
    states,
    metrics,
    limits,
    stop,
  });
  const rpcPort = await openPort(() => rpc.listen(), config.server.grpcListenPort, 'server.grpc-listen-port');
  server.isStarting = false;
  missing = undefined;
  await roles.join(rpcPort);
  health.start();
  logger.info('Loki started', {
    address: config.server.httpListenAddress,
    ...ports,
    grpcPort: rpcPort,
    target: config.target.join(','),
  });
  return { countLine: (level) => common.logLine(level), ended, stop };
}

/** The metrics of every process; `sweeps` ends the removal of idle tenants. */
function openMetrics(
  { config, droppedLogLines, info }: ProcessDeps,
  ports: { clock: Clock; timers: Timers },
) {
  const metrics = new Metrics(config.metricsNamespace);
  const common = commonMetrics(metrics);
  droppedLogLinesMetric(metrics, droppedLogLines);
  buildInfoMetric(metrics, info, { os: os.platform(), arch: os.arch() });
  collectProcessMetrics(metrics);
  const sweeps = new AbortController();
  void new IdleTenants(metrics, { idleMs: tenantIdleMs }).run(ports, sweeps.signal);
  return { metrics, common, sweeps };
}

/** The limits of all tenants, read from the files of `runtime_config`. */
function runtimeConfig(
  { config, readText, logger }: ProcessDeps,
  timers: Timers,
  metrics: ReturnType<typeof commonMetrics>,
): RuntimeConfig {
  return new RuntimeConfig({
    ...config.runtimeConfig,
    readText,
    readOverrides: overridesReader(),
    timers,
    logger,
    globalValues: config.limitValues,
    limitContext: {
      maxReturnedStreamErrors: config.ingester.maxReturnedStreamErrors,
      shardAggregations: config.queryRange.shardAggregations,
      checks: limitSyntaxChecks,
    },
    onReload: (outcome) => metrics.runtimeConfigReloaded('runtime-config', outcome),
  });
}

/**
 * Directories that only this process may write. Not the file system's object store: separate apps share it.
 */
function writtenDirectories({ dataDirectory, writeLog, ruler, components }: Config): OwnDirectory[] {
  return [
    { path: dataDirectory, flag: 'common.path-prefix' },
    ...(writeLog.kind === 'embedded' ? [{ path: writeLog.directory, flag: 'write-log.directory' }] : []),
    ...(components.has('ruler') ? [{ path: ruler.walDirectory, flag: 'ruler.wal.dir' }] : []),
  ];
}

interface RpcDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
}

function rpcServer({ server }: Config, { logger, clock, timers, metrics }: RpcDeps): RpcServer {
  const refused = refusedRpcConnectionsMetric(metrics);
  return new RpcServer({
    address: server.grpcListenAddress,
    port: server.grpcListenPort,
    logger,
    tls: server.grpcTls,
    token: server.grpcAuthToken,
    isReflecting: server.grpcReflectionEnabled,
    // Our own messages are up to 1 MiB; Loki's clients may send as much as the configuration allows.
    recvBytesMax: Math.min(rpcMessageBytesMax, server.grpcMaxRecvMsgBytes),
    sendBytesMax: rpcMessageBytesMax,
    concurrentStreamsMax: server.grpcMaxConcurrentStreams,
    slices: { clock, timers },
    connections: { max: rpcConnectionsMaxOf(descriptorsMax()), timers, onRefused: () => refused.inc() },
  });
}
