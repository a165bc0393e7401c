/**
 * Protects the guide for operators: a Redis user with the rights that it lists can do all that the processes
 * ask, and no right of the list is spare. Against a real Redis: `LOKI_TEST_REDIS_SERVER`, its binary;
 * `npm run test:services` sets it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { NodeRandom, NodeTimers } from '@loki/runtime';
import { eventually, freePort } from '@loki/test-tools';
import { openRedis } from './redis-client.ts';
import { RedisRingStore } from './redis-ring-store.ts';
import { ringStoreContract } from './test/ring-store-contract.ts';

const binary = process.env['LOKI_TEST_REDIS_SERVER'];
const guide = path.resolve(import.meta.dirname, '../../../../docs/guide.md');

/** The words of the guide's command, `ACL SETUSER loki …`. */
function rightsOfGuide(): string[] {
  const [, name, ...rights] =
    /^ {4,}ACL SETUSER (.*)$/m.exec(fs.readFileSync(guide, 'utf8'))?.[0].trim().split(/\s+/).slice(1) ?? [];
  expect(name).toBe('loki');
  return rights;
}

test('the guide lists rights', () => {
  expect(rightsOfGuide().filter((right) => right.startsWith('+')).length).toBeGreaterThan(8);
});

if (!binary) test.skip('Redis users: skipped, LOKI_TEST_REDIS_SERVER is not set', () => undefined);
else {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-redis-acl-'));
  const user = { username: 'loki', password: 'PASSWORD' };
  const timers = new NodeTimers();
  const random = new NodeRandom();
  let server: ChildProcess;
  let port: number;
  let admin: Redis;

  beforeAll(async () => {
    port = await freePort();
    const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', ''];
    server = spawn(binary, args, { stdio: 'ignore' });
    admin = new Redis({ host: '127.0.0.1', port });
    admin.on('error', () => undefined); // until the server listens
    await eventually(async () => (await admin.ping()) === 'PONG');
    await admin.call('ACL', 'SETUSER', user.username, ...rightsOfGuide());
  });
  afterAll(async () => {
    // The log has each command, key and channel that was refused.
    const refused = await admin.call('ACL', 'LOG');
    const stats = (await admin.info('commandstats')).match(/(?<=cmdstat_)[^:]+(?=:)/g);
    admin.disconnect();
    server.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
    expect(refused).toEqual([]);
    const commands = rightsOfGuide().filter((right) => right.startsWith('+'));
    const spare = commands.filter((right) => !stats!.includes(right.slice(1)));
    expect(spare).toEqual([]);
  });

  const endpoint = () => ({ endpoints: [`127.0.0.1:${port}`], ...user });

  ringStoreContract('Redis, a user with the rights of the guide', async () => {
    await admin.flushall();
    const store = new RedisRingStore({ ...endpoint(), timers, random, timeoutMs: 20_000 });
    return { store, dispose: () => store.close() };
  });

  test('a key of another kind is replaced', async () => {
    await admin.set('loki:{k}/members', 'a text');
    const store = new RedisRingStore({ ...endpoint(), timers, random, timeoutMs: 20_000 });
    await store.put({ key: 'k', id: 'a', value: 'one', isNews: true });
    expect(await store.get('k', 'a')).toBe('one');
    await store.close();
  });

  test('the results cache writes and reads', async () => {
    const options = { ...endpoint(), connectTimeoutMs: 20_000, socketTimeoutMs: 20_000 };
    const client = openRedis(options, 'results cache');
    await eventually(() => client.status === 'ready');
    await client.set('lokits/results/a', Buffer.from('value'), 'PX', 60_000);
    expect(await client.getBuffer('lokits/results/a')).toEqual(Buffer.from('value'));
    await expect(client.get('other')).rejects.toThrow(/NOPERM/);
    await admin.call('ACL', 'LOG', 'RESET');
    client.disconnect();
  });
}
