/**
 * Protects the doors of a running process: gRPC takes no caller without the token and tells no one its
 * services, no port speaks an older TLS than the configuration says, a request has one Host, and a damaged
 * record of a delete request fails its own tenant's queries only.
 */
import fs from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { SecureVersion } from 'node:tls';
import { certify, freePort } from '@loki/test-tools';
import { TestServer } from './test/server.ts';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.dispose();
  server = undefined;
});

const unimplemented = '12';
const unauthenticated = '16';

/** The status of a call with an empty message. */
async function grpcStatus(port: number, method: string, token?: string): Promise<string> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  try {
    return await new Promise((resolve, reject) => {
      session.on('error', reject);
      const call = session.request({
        ':method': 'POST',
        ':path': method,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      });
      const take = (headers: Record<string, string | string[] | number | undefined>): void => {
        if (typeof headers['grpc-status'] === 'string') resolve(headers['grpc-status']);
      };
      call.on('response', take);
      call.on('trailers', take);
      call.on('error', reject);
      call.resume();
      call.end(Buffer.alloc(5)); // not compressed, no bytes
    });
  } finally {
    session.destroy();
  }
}

test('gRPC takes calls with the token only, health checks without, and has no reflection', async () => {
  const port = await freePort();
  server = await TestServer.start([`-server.grpc-listen-port=${port}`, '-server.grpc-auth-token=open']);
  for (const method of ['/lokits.v1.Ingester/Partitions', '/lokits.v1.RingStore/Get']) {
    expect(await grpcStatus(port, method)).toBe(unauthenticated);
    expect(await grpcStatus(port, method, 'wrong')).toBe(unauthenticated);
    expect(await grpcStatus(port, method, 'open')).not.toBe(unauthenticated);
  }
  expect(await grpcStatus(port, '/lokits.v1.Ingester/Partitions', 'open')).toBe('0');
  expect(await grpcStatus(port, '/grpc.health.v1.Health/Check')).toBe('0');
  for (const version of ['v1', 'v1alpha']) {
    const method = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    expect(await grpcStatus(port, method, 'open')).toBe(unimplemented);
  }
});

test('no port speaks an older TLS than tls_min_version', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-doors-'));
  const ports = { admin: await freePort(), grpc: await freePort() };
  const file = (name: string) => path.join(directory, name);
  certify(directory, 'ca', ['server']);
  try {
    const pair = (kind: string) => [
      `-server.${kind}-tls-cert-path=${file('server.crt')}`,
      `-server.${kind}-tls-key-path=${file('server.key')}`,
    ];
    const flags = [
      ...pair('http'),
      ...pair('grpc'),
      '-server.tls-min-version=VersionTLS13',
      `-server.admin-listen-port=${ports.admin}`,
      `-server.grpc-listen-port=${ports.grpc}`,
    ];
    const versionOf = (port: number, maxVersion: SecureVersion): Promise<string | null> =>
      new Promise((resolve) => {
        const options = { ca: fs.readFileSync(file('ca.crt')), ALPNProtocols: ['h2', 'http/1.1'] };
        const socket = connectTls({ ...options, port, host: 'localhost', minVersion: 'TLSv1', maxVersion });
        socket.once('secureConnect', () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.once('error', () => resolve('refused'));
      });
    const isReady = async () => (await versionOf(ports.grpc, 'TLSv1.3')) === 'TLSv1.3';
    server = await TestServer.start(flags, { isReady });
    for (const port of [server.port, ports.admin, ports.grpc]) {
      expect(await versionOf(port, 'TLSv1.2')).toBe('refused');
      expect(await versionOf(port, 'TLSv1.3')).toBe('TLSv1.3');
    }
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

test('a request with two Host headers is refused', async () => {
  server = await TestServer.start();
  const { port } = server;
  const statusLine = (hosts: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () =>
        socket.write(`GET /ready HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`),
      );
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes.toString().split('\r\n')[0]);
        socket.destroy();
      });
      socket.once('error', reject);
    });
  expect(await statusLine('Host: a\r\n')).toBe('HTTP/1.1 200 OK');
  expect(await statusLine('Host: a\r\nHost: b\r\n')).toMatch(/^HTTP\/1.1 400 /);
});

test('a damaged record of a delete request fails its tenant and no other', async () => {
  server = await TestServer.start([
    '-auth.enabled=true',
    '-compactor.retention-enabled=true',
    '-compactor.delete-request-store=filesystem',
  ]);
  const tenants = ['sound', 'damaged'];
  const now = Date.now();
  for (const tenant of tenants) {
    const headers = { 'x-scope-orgid': tenant };
    const body = { streams: [{ stream: { app: 'a' }, values: [[`${now}000000`, `of ${tenant}`]] }] };
    expect((await server.push(body, headers)).status).toBe(204);
    const search = new URLSearchParams({
      query: '{app="b"}',
      start: String(Math.floor(now / 1000) - 3_600),
      end: String(Math.floor(now / 1000)),
    });
    const url = `${server.url}/loki/api/v1/delete?${search.toString()}`;
    const answer = await fetch(url, { method: 'POST', headers });
    expect([answer.status, await answer.text()]).toEqual([204, '']);
  }
  await server.stop();
  const steps = fs
    .readdirSync(server.directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /deletes\/log\/\d+~$/.test(name))
    .sort();
  expect(steps.length).toBeGreaterThanOrEqual(2);
  const step = path.join(
    server.directory,
    steps.find((name) => fs.readFileSync(path.join(server!.directory, name)).includes('damaged'))!,
  );
  const bytes = fs.readFileSync(step);
  bytes[bytes.length - 6] ^= 4;
  fs.chmodSync(step, 0o644);
  fs.writeFileSync(step, bytes);
  await server.start();
  const search = new URLSearchParams({ query: '{app="a"}' });
  const ask = (tenant: string) =>
    server!.get(`/loki/api/v1/query_range?${search.toString()}`, { 'x-scope-orgid': tenant });
  expect(await ask('sound')).toMatchObject({ status: 200, text: expect.stringContaining('of sound') });
  const failure = await ask('damaged');
  expect(failure.status).toBe(500);
  expect(failure.text).toContain(path.basename(step, '~'));
  // It may still push, and the other one may still delete.
  const more = { streams: [{ stream: { app: 'a' }, values: [[`${Date.now()}000000`, 'more']] }] };
  expect((await server.push(more, { 'x-scope-orgid': 'damaged' })).status).toBe(204);
});
