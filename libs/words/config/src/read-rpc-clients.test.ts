/**
 * Protects that each call to another process is made as the block says that is Loki's for it, and as no other
 * says.
 */
import type { RpcPeer } from './config.ts';
import { loadConfig } from './load-config.ts';

async function load(yaml: string) {
  const loaded = await loadConfig({
    argv: ['-config.file=a'],
    env: () => undefined,
    readText: async () => yaml,
    versionText: '',
  });
  if (loaded.kind !== 'run') throw new Error(loaded.stderr);
  const { rpcClients } = loaded.config;
  const secured = (Object.keys(rpcClients) as RpcPeer[]).filter((peer) => rpcClients[peer].enabled).sort();
  return { rpcClients, secured, warnings: loaded.notices.filter(({ level }) => level === 'warn') };
}

test('without any block all is in the clear', async () => {
  expect((await load('auth_enabled: false')).secured).toEqual([]);
});

test.each<[string, RpcPeer[]]>([
  ['ingester_client: {grpc_client_config: TLS}', ['distributor', 'ingester']],
  ['pattern_ingester: {client_config: {grpc_client_config: TLS}}', ['patterns']],
  ['frontend_worker: {query_scheduler_grpc_client: TLS}', ['frontend']],
  ['frontend_worker: {query_frontend_grpc_client: TLS}', []],
  ['frontend_worker: {frontend_address: "f:9095", query_frontend_grpc_client: TLS}', ['frontend']],
  ['frontend_worker: {frontend_address: "f:9095", query_scheduler_grpc_client: TLS}', []],
  ['frontend_worker: {scheduler_address: "f:9095", query_scheduler_grpc_client: TLS}', ['frontend']],
  ['frontend_worker: {grpc_client_config: TLS}', ['frontend']],
  ['frontend_worker: {frontend_address: "f:9095", grpc_client_config: TLS}', ['frontend']],
  // The block of these alone is there, and says nothing of TLS.
  ['frontend_worker: {query_scheduler_grpc_client: {max_send_msg_size: 1}, grpc_client_config: TLS}', []],
  ['ruler: {evaluation: {query_frontend: TLS}}', ['ruleFrontend']],
  ['ruler: {ruler_client: TLS}', ['ruler']],
  ['compactor_grpc_client: TLS', ['compactor']],
  ['memberlist: TLS', ['ringStore']],
  // Loki's calls between processes that are one here.
  ['frontend: {grpc_client_config: TLS}', []],
  ['query_scheduler: {grpc_client_config: TLS}', []],
])('%s', async (yaml, peers) => {
  const tls =
    '{tls_enabled: true, tls_ca_path: ca, tls_cert_path: cert, tls_key_path: key, tls_server_name: name}';
  const { rpcClients, secured } = await load(yaml.replace('TLS', tls));
  expect(secured).toEqual(peers);
  for (const peer of peers) {
    expect(rpcClients[peer]).toEqual({
      enabled: true,
      caFile: 'ca',
      certFile: 'cert',
      keyFile: 'key',
      serverName: 'name',
      insecureSkipVerify: false,
    });
  }
});

test('who secures some calls is told of those that are not', async () => {
  const { warnings } = await load('compactor_grpc_client: {tls_enabled: true}');
  expect(warnings).toEqual([
    {
      level: 'warn',
      message:
        'TLS is on for calls by compactor_grpc_client and off for those by frontend_worker.grpc_client_config, ingester_client.grpc_client_config, ruler.ruler_client',
    },
  ]);
  const rest = `
ingester_client: {grpc_client_config: {tls_enabled: true}}
frontend_worker: {grpc_client_config: {tls_enabled: true}}
ruler: {ruler_client: {tls_enabled: true}}`;
  expect((await load(`compactor_grpc_client: {tls_enabled: true}${rest}`)).warnings).toEqual([]);
});
