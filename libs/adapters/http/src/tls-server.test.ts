import fs from 'node:fs';
import { connect as connectPlain } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import type { SecureVersion } from 'node:tls';
import { jsonResponse } from '@loki/ports';
import { certify, eventually } from '@loki/test-tools';
import { start, stopAll } from './test/server.ts';

// Protects: clients that do not get through the handshake leave nothing behind, and keep no server from
// stopping.

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'http-tls-'));
  certify(directory, 'ca', ['server']);
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
afterEach(stopAll);

const read = (name: string) => fs.readFileSync(path.join(directory, name));

const serve = (options: { readHeaderTimeoutMs?: number } = {}) =>
  start((server) => server.handle('ready', () => jsonResponse({})), {
    tls: { cert: read('server.crt'), key: read('server.key'), minVersion: 'TLSv1.3' },
    readHeaderTimeoutMs: 5_000,
    ...options,
  });

/** The version that was agreed on; 'refused' when there was none. */
function shakeHands(port: number, maxVersion: SecureVersion): Promise<string> {
  const socket = connect({ port, host: 'localhost', ca: read('ca.crt'), minVersion: 'TLSv1', maxVersion });
  return new Promise((resolve) => {
    socket.once('secureConnect', () => {
      resolve(socket.getProtocol()!);
      socket.destroy();
    });
    socket.once('error', () => resolve('refused'));
  });
}

const isEmpty = async (metrics: { text(): Promise<string> }) =>
  /loki_tcp_connections\{[^}]*\} 0$/m.test(await metrics.text());

test.each([
  ['TLSv1.3', 'TLSv1.3'],
  ['TLSv1.2', 'refused'],
  ['TLSv1.1', 'refused'],
] as const)('at least TLS 1.3: a client of %s is %s, and leaves no connection', async (version, outcome) => {
  const { port, server, metrics } = await serve();
  expect(await shakeHands(port, version)).toBe(outcome);
  await eventually(() => isEmpty(metrics));
  const before = performance.now();
  await server.stop(60_000);
  expect(performance.now() - before).toBeLessThan(30_000);
});

test('a client that speaks in the clear leaves no connection', async () => {
  const { port, metrics } = await serve();
  const socket = connectPlain(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET /ready HTTP/1.1\r\nhost: x\r\n\r\n');
  await eventually(() => isEmpty(metrics));
});

test('a client that never shakes hands is cut off in time, and by a stop', async () => {
  const { port, metrics } = await serve({ readHeaderTimeoutMs: 300 });
  const cut = connectPlain(port, '127.0.0.1').on('error', () => {});
  await eventually(() => cut.destroyed);
  await eventually(() => isEmpty(metrics));

  const other = await serve();
  connectPlain(other.port, '127.0.0.1').on('error', () => {});
  await eventually(async () => !(await isEmpty(other.metrics)));
  await other.server.stop(100);
});
