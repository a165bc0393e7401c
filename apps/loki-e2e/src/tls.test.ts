/**
 * Protects the promise that a configuration with certificates leaves nothing in the clear: processes that
 * talk to each other by mutual TLS and to clients by HTTPS, and refuse all others. Each kind of process has a
 * certificate of an authority of its own, and each process has only the blocks of the calls that it makes: a
 * call by another call's block fails.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { certify, eventually, freePorts } from '@loki/test-tools';

const root = path.resolve(import.meta.dirname, '../../..');

type Target = 'write' | 'querier' | 'gateway' | 'compactor' | 'ruler';

/** Those that others call, whose certificates are of authorities of their own. */
const servers = ['write', 'gateway', 'compactor', 'ruler'] as const;

/** TLS settings of each process for its calls, except those to the ring, which `write` keeps. */
const settingsOf: Readonly<Record<Target, (tls: (server: (typeof servers)[number]) => object) => object>> = {
  write: () => ({ pattern_ingester: { enabled: true } }),
  querier: (tls) => ({
    ingester_client: { grpc_client_config: tls('write') },
    frontend_worker: { query_scheduler_grpc_client: tls('gateway') },
  }),
  gateway: (tls) => ({
    ingester_client: { grpc_client_config: tls('write') },
    pattern_ingester: { enabled: true, client_config: { grpc_client_config: tls('write') } },
    compactor_grpc_client: tls('compactor'),
    ruler: { ruler_client: tls('ruler') },
  }),
  compactor: () => ({ compactor: { retention_enabled: true, delete_request_store: 'filesystem' } }),
  ruler: (tls) => ({
    ruler: { poll_interval: '1s', evaluation: { mode: 'remote', query_frontend: tls('gateway') } },
  }),
};

let directory: string;
let ports: number[];
const running: ChildProcess[] = [];

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-tls-'));
  makeCertificates();
  ports = await freePorts(6);
  const [writeHttp, readHttp, gatewayHttp, writeGrpc, compactorHttp, rulerHttp] = ports;
  start('write', writeHttp, writeGrpc);
  start('querier', readHttp, 0);
  start('gateway', gatewayHttp, 0);
  start('compactor', compactorHttp, 0);
  start('ruler', rulerHttp, 0);
  await Promise.all([writeHttp, readHttp, gatewayHttp, compactorHttp, rulerHttp].map(ready));
});

afterAll(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  }
  fs.rmSync(directory, { recursive: true, force: true });
});

test('a line goes from gateway to distributor and back from a querier, all by TLS', async () => {
  const now = `${Date.now()}000000`;
  const body = JSON.stringify({ streams: [{ stream: { app: 'tls' }, values: [[now, 'in secret']] }] });
  await pushed(body);
  const search = new URLSearchParams({ query: '{app="tls"}' }).toString();
  const answer = await ask(ports[2], `/loki/api/v1/query_range?${search}`);
  expect(answer.status).toBe(200);
  expect(answer.text).toContain('in secret');
});

test('a gateway asks ingesters for patterns and both for their status, each by its own block', async () => {
  const now = Date.now();
  const values = Array.from({ length: 20 }, (_, i) => [`${now - i}000000`, `user u${i} has come in by TLS`]);
  const body = JSON.stringify({ streams: [{ stream: { app: 'patterns' }, values }] });
  await pushed(body);
  const search = new URLSearchParams({ query: '{app="patterns"}' }).toString();
  await until(async () =>
    (await ask(ports[2], `/loki/api/v1/patterns?${search}`)).text.includes('has come in'),
  );
  for (const path of ['/partitions', '/compaction']) {
    await until(async () => /"failures":\s*\[\]/.test((await ask(ports[2], path)).text));
  }
});

test('a gateway passes deletes on to the compactor and rules to the ruler, which has the gateway evaluate them', async () => {
  await until(async () => (await ask(ports[2], '/loki/api/v1/delete')).status === 200);
  const group =
    'name: secured\ninterval: 1s\nrules: [{record: lines, expr: \'sum(count_over_time({app="tls"}[1h]))\'}]';
  await until(async () => {
    const saved = await ask(ports[2], '/loki/api/v1/rules/ns', { method: 'POST', body: group });
    return saved.status === 202;
  });
  await until(async () => {
    const { text } = await ask(ports[2], '/prometheus/api/v1/rules');
    return text.includes('"health":"ok"');
  });
});

test('HTTP clients without a certificate, with a stranger’s, or in the clear get nothing', async () => {
  const [, , gateway] = ports;
  await expect(ask(gateway, '/ready', { certificate: 'none' })).rejects.toThrow();
  await expect(ask(gateway, '/ready', { certificate: 'stranger' })).rejects.toThrow();
  await expect(fetch(`http://127.0.0.1:${gateway}/ready`)).rejects.toThrow();
  // A client that does not know our authority.
  await expect(fetch(`https://localhost:${gateway}/ready`)).rejects.toThrow();
});

test('a process with a stranger’s certificate is not talked to by gRPC', async () => {
  const [http] = await freePorts(1);
  const child = start('querier', http, 0, { certificate: 'stranger' });
  const log = () => fs.readFileSync(path.join(directory, 'querier-stranger-ours.log'), 'utf8');
  await until(() => /the ring store does not answer/.test(log()));
  child.kill('SIGKILL');
  expect(await ask(ports[2], '/ready')).toMatchObject({ status: 200 });
});

test('a process with another token is told so, and is in no ring', async () => {
  const [http] = await freePorts(1);
  const child = start('querier', http, 0, { token: 'theirs' });
  const log = () => fs.readFileSync(path.join(directory, 'querier-member-theirs.log'), 'utf8');
  await until(() => log().includes('server.grpc_auth_token must be the same in all processes'));
  child.kill('SIGKILL');
});

test('a client of an older TLS than the configuration allows is refused', async () => {
  await expect(ask(ports[2], '/ready', { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/);
});

/**
 * The authority of all callers, those of the called processes, and one that no process trusts; each has
 * signed one certificate.
 */
function makeCertificates(): void {
  certify(directory, 'ca', ['member']);
  certify(directory, 'other-ca', ['stranger']);
  for (const name of servers) certify(directory, `${name}-ca`, [name]);
}

function start(
  target: Target,
  httpPort: number,
  grpcPort: number,
  { certificate = 'member', token = 'ours' } = {},
): ChildProcess {
  const name = certificate === 'member' && token === 'ours' ? target : `${target}-${certificate}-${token}`;
  const file = (pem: string) => path.join(directory, pem);
  const server = (own: string) => ({
    cert_file: file(`${own}.crt`),
    key_file: file(`${own}.key`),
    client_ca_file: file('ca.crt'),
    client_auth_type: 'RequireAndVerifyClientCert',
  });
  const tls = (peer: string) => ({
    tls_enabled: true,
    tls_ca_path: file(`${peer}-ca.crt`),
    tls_cert_path: file(`${certificate}.crt`),
    tls_key_path: file(`${certificate}.key`),
  });
  const config = {
    auth_enabled: false,
    server: {
      http_listen_address: '127.0.0.1',
      http_listen_port: httpPort,
      grpc_listen_address: '127.0.0.1',
      grpc_listen_port: grpcPort,
      tls_min_version: 'VersionTLS13',
      grpc_auth_token: token,
      http_tls_config: server(certificate),
      grpc_tls_config: server(servers.find((known) => known === target) ?? certificate),
    },
    ...settingsOf[target](tls),
    common: {
      path_prefix: file(name),
      replication_factor: 1,
      storage: { filesystem: { chunks_directory: file('store'), rules_directory: file('rules') } },
      ring: {
        instance_id: name,
        instance_addr: '127.0.0.1',
        heartbeat_period: '1s',
        kvstore: { store: 'memberlist' },
      },
    },
    memberlist: { join_members: [`127.0.0.1:${ports[3]}`], ...tls('write') },
  };
  fs.writeFileSync(file(`${name}.yaml`), JSON.stringify(config));
  const log = fs.openSync(file(`${name}.log`), 'a');
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      `-target=${target}`,
      `-config.file=${file(`${name}.yaml`)}`,
    ],
    { cwd: root, stdio: ['ignore', log, log], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  fs.closeSync(log);
  running.push(child);
  return child;
}

interface Asking {
  readonly method?: string;
  readonly body?: string;
  readonly certificate?: 'member' | 'stranger' | 'none';
  readonly maxVersion?: 'TLSv1.2';
}

function ask(
  port: number,
  pathAndQuery: string,
  asking: Asking = {},
): Promise<{ status: number; text: string }> {
  const { method = 'GET', body = '', certificate = 'member', maxVersion } = asking;
  const read = (pem: string) => fs.readFileSync(path.join(directory, pem));
  const shown =
    certificate === 'none' ? {} : { cert: read(`${certificate}.crt`), key: read(`${certificate}.key`) };
  return new Promise((resolve, reject) => {
    const request = https.request(
      {
        host: 'localhost',
        port,
        path: pathAndQuery,
        method,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        agent: false,
        ...(maxVersion ? { maxVersion } : {}),
        ca: read('ca.crt'),
        ...shown,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** A gateway is ready before it has seen distributors. */
async function pushed(body: string): Promise<void> {
  await until(
    async () => (await ask(ports[2], '/loki/api/v1/push', { method: 'POST', body })).status === 204,
  );
}

async function ready(port: number): Promise<void> {
  await until(async () => {
    const ended = running.find(({ exitCode }) => exitCode !== null);
    if (ended) throw new Error(`a process ended: ${logs()}`);
    return ask(port, '/ready').then(
      ({ status }) => status === 200,
      () => false,
    );
  });
}

function until(look: () => boolean | Promise<boolean>): Promise<true> {
  return eventually(look, { everyMs: 100, details: logs });
}

function logs(): string {
  const files = fs.readdirSync(directory).filter((name) => name.endsWith('.log'));
  return files.map((name) => `${name}: ${fs.readFileSync(path.join(directory, name), 'utf8')}`).join('\n');
}
