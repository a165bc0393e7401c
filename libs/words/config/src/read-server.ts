/** Reads the keys of `server`: ports, TLS, logs. */
import { ConfigError } from './config-error.ts';
import type { ServerConfig } from './config.ts';
import type { Settings } from './settings.ts';
import type { TlsServerConfig, TlsVersion } from './tls-config.ts';

/** The configuration of HTTP and gRPC servers. */
export function readServer(settings: Settings): ServerConfig {
  const format = settings.text('server.log_format');
  if (format !== 'logfmt' && format !== 'json') {
    throw new ConfigError(`invalid log format ${JSON.stringify(format)}: use logfmt or json`);
  }
  const level = settings.text('server.log_level');
  if (!['debug', 'info', 'warn', 'error'].includes(level)) {
    throw new ConfigError(`unrecognized log level ${JSON.stringify(level)}`);
  }
  return {
    httpListenAddress: settings.text('server.http_listen_address'),
    httpListenPort: settings.number('server.http_listen_port'),
    httpConnectionsMax: settings.number('server.http_listen_conn_limit'),
    adminListenPort: settings.number('server.admin_listen_port'),
    httpPathPrefix: settings.text('server.http_path_prefix').replace(/\/+$/, ''),
    httpReadTimeoutMs: settings.durationMs('server.http_server_read_timeout'),
    httpReadHeaderTimeoutMs: settings.durationMs('server.http_server_read_header_timeout'),
    httpWriteTimeoutMs: settings.durationMs('server.http_server_write_timeout'),
    httpIdleTimeoutMs: settings.durationMs('server.http_server_idle_timeout'),
    httpTls: readTls(settings, 'server.http_tls_config'),
    grpcListenAddress: settings.text('server.grpc_listen_address'),
    grpcListenPort: settings.number('server.grpc_listen_port'),
    grpcMaxRecvMsgBytes: settings.number('server.grpc_server_max_recv_msg_size'),
    grpcMaxConcurrentStreams: settings.number('server.grpc_server_max_concurrent_streams'),
    grpcTls: readTls(settings, 'server.grpc_tls_config'),
    grpcAuthToken: settings.text('server.grpc_auth_token'),
    grpcReflectionEnabled: settings.flag('server.grpc_reflection_enabled'),
    gracefulShutdownTimeoutMs: settings.durationMs('server.graceful_shutdown_timeout'),
    logLevel: level,
    logFormat: format,
  };
}

function readTls(settings: Settings, path: string): TlsServerConfig {
  return {
    cert: settings.text(`${path}.cert`),
    key: settings.text(`${path}.key`),
    clientCa: settings.text(`${path}.client_ca`),
    certFile: settings.text(`${path}.cert_file`),
    keyFile: settings.text(`${path}.key_file`),
    clientCaFile: settings.text(`${path}.client_ca_file`),
    clientAuthType: settings.text(`${path}.client_auth_type`),
    ...readTlsMinVersion(settings),
  };
}

/** TLS versions by Go's names. */
const tlsVersions: ReadonlyMap<string, TlsVersion> = new Map([
  ['VersionTLS10', 'TLSv1'],
  ['VersionTLS11', 'TLSv1.1'],
  ['VersionTLS12', 'TLSv1.2'],
  ['VersionTLS13', 'TLSv1.3'],
]);

function readTlsMinVersion(settings: Settings): { minVersion?: TlsVersion } {
  const name = settings.text('server.tls_min_version');
  if (name === '') return {};
  const minVersion = tlsVersions.get(name);
  if (minVersion === undefined) {
    throw new ConfigError(
      `server.tls_min_version: unknown TLS version ${JSON.stringify(name)}: use ${[...tlsVersions.keys()].join(', ')}`,
    );
  }
  return { minVersion };
}
