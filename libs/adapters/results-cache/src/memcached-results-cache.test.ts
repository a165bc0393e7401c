import net from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Logger } from '@loki/ports';
import { eventually, ManualTime } from '@loki/test-tools';
import { chooseServer } from './choose-server.ts';
import { MemcachedResultsCache } from './memcached-results-cache.ts';
import type { MemcachedResultsCacheOptions } from './memcached-results-cache.ts';

// Protects queries from a bad cache: a server that lies, stalls or is gone costs time within its bound, and
// nothing it says is taken for another's answer.

/**
 * The time of clients stands still unless a test lets it pass: an answer of these servers is never late
 * because the machine is slow.
 */
let time = new ManualTime();
const told: string[] = [];
const logger: Logger = {
  debug() {},
  info: (message) => void told.push(message),
  warn: (message) => void told.push(message),
  error() {},
  child: () => logger,
};

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  told.length = 0;
  time = new ManualTime();
});

/** A server that answers each line as `answer` says; undefined: not at all. */
async function fakeServer(answer: (line: string, socket: net.Socket) => string | undefined) {
  const state = { connections: 0, open: 0, openMost: 0, lines: [] as string[] };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    state.connections++;
    state.openMost = Math.max(state.openMost, ++state.open);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => void (state.open--, sockets.delete(socket)));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let at = text.indexOf('\r\n'); at >= 0; at = text.indexOf('\r\n')) {
        const line = text.slice(0, at);
        text = text.slice(at + 2);
        state.lines.push(line);
        const said = answer(line, socket);
        if (said !== undefined) socket.write(Buffer.from(said, 'latin1'));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { state, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function cacheOn(addresses: readonly string[], more: Partial<MemcachedResultsCacheOptions> = {}) {
  const cache = new MemcachedResultsCache({
    clock: time,
    timers: time,
    logger,
    prefix: 'p/',
    ttlMs: 60_000,
    timeoutMs: 150,
    batchSize: 4,
    parallelism: 5,
    connectionsMax: 3,
    itemBytesMax: 0,
    writing: { parallelism: 1, itemsMax: 1000, bytesMax: 1 << 20 },
    breaker: { failures: 0, openMs: 0, intervalMs: 0 },
    ...more,
  });
  cache.useServers(addresses);
  closers.push(() => cache.close());
  return cache;
}

/** Answers `get` with the last part of each key. */
function echo(line: string): string | undefined {
  if (!line.startsWith('get ')) return undefined;
  const values = line
    .split(' ')
    .slice(1)
    .map((key) => `VALUE ${key} 0 ${key.length - 2}\r\n${key.slice(2)}\r\n`);
  return `${values.join('')}END\r\n`;
}

const texts = (values: readonly (Uint8Array | undefined)[]) =>
  values.map((value) => value && Buffer.from(value).toString());

test('keys are asked for in batches, by one connection at a time each, and come back in their order', async () => {
  const server = await fakeServer(echo);
  const cache = cacheOn([server.address]);
  const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
  expect(texts(await cache.get([...keys, 'k3']))).toEqual([...keys, 'k3']);
  expect(server.state.lines).toHaveLength(8);
  expect(server.state.lines[0]).toBe('get p/k0 p/k1 p/k2 p/k3');
  expect(server.state.connections).toBeLessThanOrEqual(3);
  expect(await cache.get([])).toEqual([]);
});

test('connections are used again, and never more than allowed', async () => {
  const server = await fakeServer(echo);
  const cache = cacheOn([server.address]);
  const asked = Array.from({ length: 40 }, (_, i) => cache.get([`a${i}`, `b${i}`]));
  const found = await Promise.all(asked);
  expect(found.every((values, i) => texts(values).join() === `a${i},b${i}`)).toBe(true);
  expect(server.state.openMost).toBeLessThanOrEqual(3);
  expect(server.state.connections).toBeLessThanOrEqual(3);
});

test.each([
  ['another key', () => 'VALUE p/other 0 1\r\n1\r\nEND\r\n'],
  ['a length beyond all bounds', () => 'VALUE p/a 0 4294967295\r\n'],
  ['less than it announced', () => 'VALUE p/a 0 10\r\nabc'],
  ['more than it announced', () => 'VALUE p/a 0 1\r\nabc\r\nEND\r\n'],
  ['nonsense', () => '\0\0\0\0\r\n'],
  ['a line without end', () => 'x'.repeat(100_000)],
  ['nothing', () => undefined],
  ['an error', () => 'ERROR\r\n'],
  ['that it cannot', () => 'SERVER_ERROR out of memory\r\n'],
  [
    'nothing, and hangs up',
    (_: string, socket: net.Socket) => {
      socket.destroy();
      return undefined;
    },
  ],
] as const)('a server that answers %s gives no value', async (_, answer) => {
  const server = await fakeServer(answer as (line: string, socket: net.Socket) => string | undefined);
  const cache = cacheOn([server.address]);
  expect(await time.passUntil(cache.get(['a']))).toEqual([undefined]);
  expect(time.monotonicMs()).toBeLessThanOrEqual(150);
});

test('a late answer is not taken as the answer to the next question', async () => {
  const sockets: net.Socket[] = [];
  const server = await fakeServer((line, socket) => (sockets.push(socket) > 1 ? echo(line) : undefined));
  const cache = cacheOn([server.address], { connectionsMax: 1 });
  const late = cache.get(['a']);
  await eventually(() => sockets.length >= 1);
  time.pass(150);
  expect(await late).toEqual([undefined]);
  sockets[0].write('VALUE p/b 0 5\r\nwrong\r\nEND\r\n');
  expect(texts(await cache.get(['b']))).toEqual(['b']);
  expect(texts(await cache.get(['b']))).toEqual(['b']);
  expect(server.state.connections).toBe(2);
});

test('an answer without a question ends the connection', async () => {
  let socketOf: net.Socket | undefined;
  const server = await fakeServer((line, socket) => {
    socketOf = socket;
    return echo(line);
  });
  const cache = cacheOn([server.address], { connectionsMax: 1 });
  expect(texts(await cache.get(['a']))).toEqual(['a']);
  socketOf!.write('VALUE p/b 0 5\r\nwrong\r\nEND\r\n');
  await eventually(() => server.state.open === 0);
  expect(texts(await cache.get(['b']))).toEqual(['b']);
  expect(server.state.connections).toBe(2);
});

test('a refusal does not cost the connection', async () => {
  const server = await fakeServer((line) => (line.includes('p/bad') ? 'SERVER_ERROR no\r\n' : echo(line)));
  const cache = cacheOn([server.address], { connectionsMax: 1 });
  expect(await cache.get(['bad'])).toEqual([undefined]);
  expect(texts(await cache.get(['good']))).toEqual(['good']);
  expect(server.state.connections).toBe(1);
});

test('a question of many keys to a silent server is over after a few time-outs, not one for each batch', async () => {
  const server = await fakeServer(() => undefined);
  const cache = cacheOn([server.address], { timeoutMs: 40, batchSize: 1, parallelism: 1 });
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  expect((await time.passUntil(cache.get(keys))).every((value) => value === undefined)).toBe(true);
  expect(time.monotonicMs()).toBeLessThanOrEqual(5 * 40);
});

test('a server that fails again and again is left alone for a while, then tried once', async () => {
  let isWell = false;
  const server = await fakeServer((line) => (isWell ? echo(line) : 'ERROR\r\n'));
  const cache = cacheOn([server.address], { breaker: { failures: 3, openMs: 200, intervalMs: 10_000 } });
  for (let i = 0; i < 20; i++) await cache.get(['a']);
  expect(server.state.lines).toHaveLength(3);
  expect(told).toEqual(['a memcached server does not answer; queries go on without it']);
  time.pass(200);
  for (let i = 0; i < 20; i++) await cache.get(['a']);
  expect(server.state.lines).toHaveLength(4);
  isWell = true;
  time.pass(200);
  expect(texts(await cache.get(['a']))).toEqual(['a']);
  expect(told).toEqual([
    'a memcached server does not answer; queries go on without it',
    'a memcached server answers again',
  ]);
});

test('failures that lie apart do not count together', async () => {
  const server = await fakeServer(() => 'ERROR\r\n');
  const cache = cacheOn([server.address], { breaker: { failures: 2, openMs: 10_000, intervalMs: 50 } });
  for (let i = 0; i < 3; i++) {
    await cache.get(['a']);
    time.pass(51);
  }
  expect(server.state.lines).toHaveLength(3);
  expect(told).toEqual([]);
});

test('each key is on one server, and one that is gone takes nobody else’s keys with it', async () => {
  const [one, two] = [await fakeServer(echo), await fakeServer(() => undefined)];
  const servers = [one.address, two.address];
  const requests: boolean[] = [];
  const cache = cacheOn(servers, { onRequest: ({ isOk }) => void requests.push(isOk) });
  // Servers are known by random ports: of this number of keys, each server has some in every run.
  const some = Array.from({ length: 1_000 }, (_, i) => `k${i}`);
  const own = (key: string) => chooseServer(`p/${key}`, servers) === one.address;
  const keys = [...some.filter(own).slice(0, 4), ...some.filter((key) => !own(key)).slice(0, 4)];
  expect(keys).toHaveLength(8);
  const answer = cache.get(keys);
  await eventually(() => requests.includes(true));
  time.pass(150);
  expect(texts(await answer)).toEqual(keys.map((key) => (own(key) ? key : undefined)));
  cache.useServers([one.address]);
  expect(texts(await cache.get(keys))).toEqual(keys);
  await eventually(() => two.state.open === 0);
  cache.useServers([]);
  expect(await cache.get(['k0'])).toEqual([undefined]);
});

/** Takes `set` commands whose values are of one character. */
function storing(line: string): string | undefined {
  return line.length === 1 ? 'STORED\r\n' : undefined;
}

test('each request is reported, with how it ended', async () => {
  const seen: string[] = [];
  const onRequest = ({ method, isOk }: { method: string; isOk: boolean }) =>
    void seen.push(`${method} ${isOk}`);
  const server = await fakeServer((line) =>
    line.includes('bad') ? 'SERVER_ERROR no\r\n' : (echo(line) ?? storing(line)),
  );
  const cache = cacheOn([server.address], { onRequest });
  await cache.get(['a']);
  await cache.get(['bad']);
  cache.put([{ key: 'a', value: Buffer.from('1') }]);
  await eventually(() => seen.length >= 3);
  expect(seen).toEqual(['get true', 'get false', 'set true']);
});

test('values are written under their keys with their time', async () => {
  const server = await fakeServer(storing);
  const cache = cacheOn([server.address]);
  cache.put([
    { key: 'a', value: Buffer.from('1') },
    { key: 'b c', value: Buffer.from('2') },
  ]);
  await eventually(() => server.state.lines.length >= 4);
  expect(server.state.lines).toEqual([
    'set p/a 0 60 1',
    '1',
    expect.stringMatching(/^set #[A-Za-z0-9_-]{43} 0 60 1$/),
    '2',
  ]);
});

test('values on their way are bounded in number and bytes, and large ones are not written', async () => {
  const server = await fakeServer(() => undefined);
  const writing = { parallelism: 1, itemsMax: 3, bytesMax: 1000 };
  let ended = 0;
  const cache = cacheOn([server.address], { writing, itemBytesMax: 400, onRequest: () => void ended++ });
  const put = (key: string, bytes: number) => cache.put([{ key, value: Buffer.alloc(bytes, 'x') }]);
  put('large', 401);
  for (const key of ['a', 'b', 'c']) put(key, 400);
  for (const key of ['d', 'e', 'f', 'g']) put(key, 1);
  await time.passUntil(eventually(() => ended >= 4));
  put('last', 1);
  await time.passUntil(eventually(() => ended >= 5));
  const written = server.state.lines
    .filter((line) => line.startsWith('set '))
    .map((line) => line.split(' ')[1]);
  // The third is over 1000 bytes; the last over three in the queue, the first being on its way.
  expect(written).toEqual(['p/a', 'p/b', 'p/d', 'p/e', 'p/last']);
});

test('a server that is not there is not waited for', async () => {
  const server = await fakeServer(echo);
  const gone = server.address;
  await closers.pop()!();
  const cache = cacheOn([gone], { breaker: { failures: 10, openMs: 10_000, intervalMs: 10_000 } });
  for (let i = 0; i < 100; i++) {
    expect(await cache.get(['a', 'b'])).toEqual([undefined, undefined]);
    cache.put([{ key: 'a', value: Buffer.from('1') }]);
  }
});

test('a closed cache sends no request', async () => {
  const server = await fakeServer(echo);
  const cache = cacheOn([server.address]);
  await cache.get(['a']);
  await cache.close();
  await eventually(() => server.state.open === 0);
  cache.put([{ key: 'a', value: Buffer.from('1') }]);
  cache.useServers([server.address]);
  expect(await cache.get(['a'])).toEqual([undefined]);
  expect(server.state.open).toBe(0);
  expect(server.state.lines).toHaveLength(1);
});
