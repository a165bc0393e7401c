/** Reads the TLS settings of calls between our processes. */
import type { ConfigNotice } from './config-error.ts';
import type { Config, RpcPeer } from './config.ts';
import type { RingConfig } from './service-config.ts';
import type { Settings } from './settings.ts';
import type { TlsClientConfig } from './tls-config.ts';

/**
 * TLS of each kind of call, from the block that Loki has for that connection; settings that the block does
 * not have are off, as in Loki. A call that Loki does not have uses the block of the called role. Pushes to
 * distributors, which Loki sends by HTTP only, use the block of calls to ingesters.
 */
export function readRpcClients(
  settings: Settings,
  ring: RingConfig,
  notices: ConfigNotice[],
): Config['rpcClients'] {
  const blocks: Readonly<Record<RpcPeer, string>> = {
    distributor: 'ingester_client.grpc_client_config',
    ingester: 'ingester_client.grpc_client_config',
    patterns: 'pattern_ingester.client_config.grpc_client_config',
    frontend: frontendBlock(settings),
    ruleFrontend: 'ruler.evaluation.query_frontend',
    ruler: 'ruler.ruler_client',
    compactor: 'compactor_grpc_client',
    ringStore: 'memberlist',
  };
  const clients = Object.fromEntries(
    Object.entries(blocks).map(([peer, block]) => [peer, readClientTls(settings, block)]),
  ) as Record<RpcPeer, TlsClientConfig>;
  const called = (Object.keys(blocks) as RpcPeer[]).filter((peer) => isCalled(peer, settings, ring));
  const named = (isEnabled: boolean) => {
    const peers = called.filter((peer) => clients[peer].enabled === isEnabled);
    return [...new Set(peers.map((peer) => blocks[peer]))].sort();
  };
  const [secured, plain] = [named(true), named(false)];
  if (secured.length > 0 && plain.length > 0) {
    notices.push({
      level: 'warn',
      message: `TLS is on for calls by ${secured.join(', ')} and off for those by ${plain.join(', ')}`,
    });
  }
  return clients;
}

/**
 * Queriers find frontends by the frontend's or the scheduler's address; `grpc_client_config` applies to both.
 */
function frontendBlock(settings: Settings): string {
  const block =
    settings.text('frontend_worker.frontend_address') === ''
      ? 'frontend_worker.query_scheduler_grpc_client'
      : 'frontend_worker.query_frontend_grpc_client';
  return settings.below(block).size > 0 ? block : 'frontend_worker.grpc_client_config';
}

/** False for calls that no process of this configuration makes. */
function isCalled(peer: RpcPeer, settings: Settings, ring: RingConfig): boolean {
  if (peer === 'ringStore') return ring.store === 'joined';
  if (peer === 'patterns') return settings.flag('pattern_ingester.enabled');
  if (peer === 'ruleFrontend') return settings.text('ruler.evaluation.mode') === 'remote';
  return true;
}

/** Loki's `tls_config` of a client, with the switch beside it. */
export function readClientTls(settings: Settings, path: string): TlsClientConfig {
  return {
    enabled: settings.flag(`${path}.tls_enabled`),
    certFile: settings.text(`${path}.tls_cert_path`),
    keyFile: settings.text(`${path}.tls_key_path`),
    caFile: settings.text(`${path}.tls_ca_path`),
    serverName: settings.text(`${path}.tls_server_name`),
    insecureSkipVerify: settings.flag(`${path}.tls_insecure_skip_verify`),
  };
}
