/** Metrics of every process: log lines, panics, overrides, certificates. */
import type { LogLevel } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** Metrics of every process, independent of its role. */
interface CommonMetrics {
  logLine(level: LogLevel): void;
  panic(): void;
  runtimeConfigReloaded(config: string, outcome: { isSuccessful: boolean; sha256: string }): void;
}

/** Metrics that every process has: its log lines, panics, and reloads of overrides. */
export function commonMetrics(metrics: Metrics): CommonMetrics {
  const lines = metrics.counter('loki_internal_log_messages_total', 'Log lines of this process, by level.', [
    'level',
  ]);
  const panics = metrics.counter(
    'loki_panic_total',
    'Unforeseen failures of the program, caught before they ended the process.',
  );
  const reload = metrics.gauge(
    'loki_runtime_config_last_reload_successful',
    'Whether the last reload of the overrides succeeded.',
    ['config'],
  );
  const hash = metrics.gauge('loki_runtime_config_hash', 'Hash of the overrides in force.', [
    'config',
    'sha256',
  ]);
  for (const level of ['debug', 'info', 'warn', 'error']) lines.inc({ level }, 0);
  return {
    logLine: (level) => lines.inc({ level }),
    panic: () => panics.inc(),
    runtimeConfigReloaded(config, { isSuccessful, sha256 }) {
      reload.set({ config }, isSuccessful ? 1 : 0);
      hash.reset();
      if (sha256 !== '') hash.set({ config, sha256 }, 1);
    },
  };
}

/**
 * The gauge of lines that the process could not write to its log.
 *
 * @param droppedCount  own log lines that the log did not take since the start
 */
export function droppedLogLinesMetric(metrics: Metrics, droppedCount: () => number): void {
  const help = 'Log lines of this process that its log did not take since the start.';
  metrics.gauge('loki_internal_log_messages_dropped', help, [], (gauge) => gauge.set(droppedCount()));
}

/** The counter of gRPC connections that were refused because too many were open. */
export function refusedRpcConnectionsMetric(metrics: Metrics): { inc(): void } {
  const help = 'gRPC connections that were refused because as many were open as the process may have.';
  return metrics.counter('loki_grpc_connections_refused_total', help);
}

/**
 * The gauge of the expiry of a server's certificate.
 *
 * @param server `http` or `grpc`: whose certificate ends at `expiryMs`
 */
export function certificateExpiryMetric(metrics: Metrics, server: 'http' | 'grpc', expiryMs: number): void {
  const help = 'When the certificate of a server of this process ends.';
  metrics
    .gauge('loki_tls_certificate_expiry_timestamp_seconds', help, ['server'])
    .set({ server }, expiryMs / 1000);
}
