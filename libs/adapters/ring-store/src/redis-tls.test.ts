/**
 * Against a real Redis that wants TLS and a password: `LOKI_TEST_REDIS_SERVER`, its binary;
 * `npm run test:services` sets it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NodeRandom, NodeTimers } from '@loki/runtime';
import { certify, freePort, isListening } from '@loki/test-tools';
import { RedisRingStore } from './redis-ring-store.ts';
import type { RedisRingStoreOptions } from './redis-ring-store.ts';

const binary = process.env['LOKI_TEST_REDIS_SERVER'];
const password = 'not a secret';

if (!binary) test.skip('Redis with TLS: skipped, LOKI_TEST_REDIS_SERVER is not set', () => undefined);
else {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-redis-tls-'));
  const at = (name: string): string => path.join(directory, name);
  let server: ChildProcess;
  let port: number;
  let ca: string;

  beforeAll(async () => {
    certify(directory, 'ca', ['server']);
    ca = fs.readFileSync(at('ca.crt'), 'utf8');
    port = await freePort();
    const tls = [
      '--tls-port',
      `${port}`,
      '--tls-cert-file',
      at('server.crt'),
      '--tls-key-file',
      at('server.key'),
    ];
    const rest = ['--tls-auth-clients', 'no', '--requirepass', password, '--dir', directory, '--save', ''];
    server = spawn(binary, ['--port', '0', '--bind', '127.0.0.1', ...tls, ...rest], { stdio: 'ignore' });
    while (!(await isListening(port))) {
      if (server.exitCode !== null) throw new Error('redis-server ended');
    }
  });

  afterAll(() => {
    server.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
  });

  const withStore = async (
    more: Partial<RedisRingStoreOptions>,
    work: (store: RedisRingStore) => Promise<void>,
  ) => {
    const store = new RedisRingStore({
      endpoints: [`127.0.0.1:${port}`],
      timers: new NodeTimers(),
      random: new NodeRandom(),
      timeoutMs: 1_000,
      ...more,
    });
    try {
      await work(store);
    } finally {
      await store.close();
    }
  };

  test('who trusts it and knows the password is served', () =>
    withStore({ tls: { ca }, password }, async (store) => {
      await store.put({ key: 'k', id: 'a', value: 'one', isNews: true });
      expect(await store.get('k', 'a')).toBe('one');
    }));

  test.each([
    ['an authority nobody vouches for', () => ({ tls: {}, password })],
    ['a wrong password', () => ({ tls: { ca }, password: 'wrong' })],
    ['no TLS', () => ({ password })],
  ])('%s: no answer is taken', (_, options) =>
    withStore(options(), async (store) => {
      await expect(store.entries('k')).rejects.toMatchObject({ code: 'unavailable' });
    }),
  );
}
