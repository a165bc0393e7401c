/** Protects rings that have blocks of their own: each is kept, and shows this process, as its block says. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { loadConfig } from '@loki/config';
import type { Config } from '@loki/config';
import type { Logger } from '@loki/ports';
import { RpcServer } from '@loki/rpc';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { Metrics } from '@loki/telemetry';
import { eventually } from '@loki/test-tools';
import { Rings } from './rings.ts';

const timers = new NodeTimers();
const quiet = () => undefined;
const logger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };
const missing: (string | undefined)[] = [];
const running: { rings: Rings; rpc: RpcServer }[] = [];

afterEach(async () => {
  for (const { rings, rpc } of running.splice(0)) {
    await rings.stop();
    await rpc.stop((cut) => timers.after(0, cut));
  }
});

async function configOf(yaml: string): Promise<Config> {
  const loaded = await loadConfig({
    argv: ['-config.file=a'],
    env: () => undefined,
    readText: async () => yaml,
    versionText: '',
  });
  if (loaded.kind !== 'run') throw new Error(loaded.stderr);
  return loaded.config;
}

async function open(yaml: string): Promise<{ rings: Rings; port: number }> {
  const rpc = new RpcServer({ address: '127.0.0.1', port: 0, logger });
  const random = new NodeRandom();
  const rings = new Rings({
    config: await configOf(yaml),
    clock: new NodeClock(),
    timers,
    random,
    logger,
    metrics: new Metrics(),
    rpc,
    onMissing: (text) => void missing.push(text),
  });
  running.push({ rings, rpc });
  return { rings, port: await rpc.listen() };
}

test('a process stands in each ring under the name, the address and with the tokens that belong there', async () => {
  const { rings } = await open(`
common: {ring: {kvstore: {store: inmemory}, instance_id: common, instance_addr: 10.0.0.1}}
compactor: {compactor_ring: {instance_id: c1, instance_addr: 10.0.0.2, instance_port: 7}}
ruler: {ring: {num_tokens: 5}}
`);
  for (const name of ['compactor', 'ruler', 'distributor'] as const) await rings.join(name, 9095);
  const shown = (name: 'compactor' | 'ruler' | 'distributor') => {
    const [{ id, address, tokens, state }, ...others] = rings.source(name)!.ring().instances;
    expect(others).toEqual([]);
    return [id, address, tokens.length, state];
  };
  expect(shown('compactor')).toEqual(['c1', '10.0.0.2:7', 128, 'ACTIVE']);
  expect(shown('ruler')).toEqual(['common', '10.0.0.1:9095', 5, 'ACTIVE']);
  expect(shown('distributor')).toEqual(['common', '10.0.0.1:9095', 1, 'ACTIVE']);
  expect(rings.source('ring')).toBeUndefined();
  const share = await rings.share('compactor');
  expect(share.owns('acme/19000')).toBe(true);
});

test('a ring that is kept elsewhere is shared, one that is kept here is not', async () => {
  const keeper = await open('common: {ring: {kvstore: {store: inmemory}, instance_id: keeper}}');
  await keeper.rings.join('compactor', 1);
  await keeper.rings.join('ruler', 1);
  const other = await open(`
common: {ring: {kvstore: {store: memberlist}, instance_id: other}}
memberlist: {join_members: ['127.0.0.1:${keeper.port}']}
ruler: {ring: {kvstore: {store: inmemory}}}
`);
  await other.rings.join('compactor', 2);
  await other.rings.join('ruler', 2);
  const ids = (rings: Rings, name: 'compactor' | 'ruler') =>
    rings
      .source(name)!
      .ring()
      .instances.map(({ id }) => id);
  await eventually(() => ids(keeper.rings, 'compactor').length >= 2);
  expect(ids(keeper.rings, 'compactor')).toEqual(['keeper', 'other']);
  await eventually(() => ids(other.rings, 'compactor').length >= 2);
  expect(ids(other.rings, 'compactor')).toEqual(['keeper', 'other']);
  expect(ids(keeper.rings, 'ruler')).toEqual(['keeper']);
  expect(ids(other.rings, 'ruler')).toEqual(['other']);
  const [a, b] = [await keeper.rings.share('compactor'), await other.rings.share('compactor')];
  for (let day = 0; day < 50; day++) expect(a.owns(`acme/${day}`)).not.toBe(b.owns(`acme/${day}`));
});

test('a Redis that is not there is waited for, and named with the reason', async () => {
  const redis = createServer((socket) =>
    socket.on('data', () => socket.write('-WRONGPASS invalid password\r\n')),
  );
  const port = await new Promise<number>((resolve) =>
    redis.listen(0, '127.0.0.1', () => resolve((redis.address() as AddressInfo).port)),
  );
  missing.length = 0;
  try {
    for (const [address, reason] of [
      ['127.0.0.1:1', 'ECONNREFUSED'],
      ['no-such-host.invalid:6379', 'no-such-host.invalid'],
      [`127.0.0.1:${port}`, 'WRONGPASS'],
    ]) {
      const kvstore = `{store: redis, redis: {endpoint: '${address}', password: secret}}`;
      const { rings } = await open(`common: {ring: {kvstore: ${kvstore}}}`);
      let isOpen = false;
      const view = rings.view('ring').then(() => (isOpen = true));
      view.catch(() => undefined); // ends with the process
      await eventually(() => missing.some((text) => text?.includes(reason)));
      expect(missing.at(-1)).toContain('Redis, which keeps the rings');
      expect(isOpen).toBe(false);
    }
  } finally {
    redis.close();
  }
});
