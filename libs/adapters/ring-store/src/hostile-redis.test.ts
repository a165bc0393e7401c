/**
 * Protects against a hostile server in the place of Redis: each request ends by its deadline with an error of
 * the catalogue, the process lives, and keeps few bytes of the answers.
 */
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { NodeRandom, NodeTimers } from '@loki/runtime';
import { RedisRingStore } from './redis-ring-store.ts';

const timers = new NodeTimers();
const timeoutMs = 400;

/** Answers each command after those by which a client introduces itself. */
type Answer = (socket: net.Socket) => void;

const introductions = /^(?:info|client|select|auth|hello|ping)$/i;

function pour(socket: net.Socket, piece: Buffer): void {
  const write = (): void => {
    while (!socket.destroyed) if (!socket.write(piece)) return void socket.once('drain', write);
  };
  write();
}

/** @returns the most bytes that one connection took; a client may have opened another after it */
async function withRedis(answer: Answer, action: (store: RedisRingStore) => Promise<void>): Promise<number> {
  const sockets = new Set<net.Socket>();
  let sentBytesMax = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => (sentBytesMax = Math.max(sentBytesMax, socket.bytesWritten)));
    socket.on('data', (bytes) => {
      for (const [, command] of bytes.toString('latin1').matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        if (/^info$/i.test(command)) {
          socket.write('$20\r\nredis_version:7.0.15\r\n\r\n'.replace('$20', '$22'));
        } else if (introductions.test(command)) socket.write('+OK\r\n');
        else answer(socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const store = new RedisRingStore({
    endpoints: [`127.0.0.1:${(server.address() as AddressInfo).port}`],
    timeoutMs,
    timers,
    random: new NodeRandom(),
  });
  try {
    await action(store);
  } finally {
    await store.close();
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  }
  return sentBytesMax;
}

const says =
  (text: string): Answer =>
  (socket) =>
    void socket.write(text);

const hostile: readonly [name: string, answer: Answer][] = [
  ['nothing', () => undefined],
  ['a reset', (socket) => socket.resetAndDestroy()],
  ['an end', (socket) => void socket.end()],
  ['no protocol', says('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['an error', says('-ERR no\r\n')],
  ['being full', says("-OOM command not allowed when used memory > 'maxmemory'.\r\n")],
  ['being a replica', says('-READONLY You can not write against a read only replica.\r\n')],
  ['an endless text', (socket) => (socket.write('$536870912\r\n'), pour(socket, Buffer.alloc(65_536, 'x')))],
  ['an endless line', (socket) => (socket.write('+'), pour(socket, Buffer.alloc(65_536, 'x')))],
  ['a length beyond all memory', says('$9223372036854775807\r\nabc')],
  ['a negative length', says('$-5\r\nabc\r\n')],
  ['a list of billions', says('*2147483647\r\n$1\r\na\r\n')],
  ['lists within lists', (socket) => void socket.write('*1\r\n'.repeat(200_000))],
  ['half of an answer', (socket) => void socket.write('*2\r\n$3\r\nab', () => socket.destroy())],
  [
    'a slow drip',
    (socket) => {
      socket.write('$1000\r\n');
      const drip = setInterval(() => socket.write('x'), 30);
      socket.on('close', () => clearInterval(drip));
    },
  ],
];

describe.each(hostile)('a Redis that answers with %s', (_, answer) => {
  test('fails questions by their deadline', async () => {
    const sent = await withRedis(answer, async (store) => {
      for (const ask of [
        () => store.entries('ring'),
        () => store.get('ring', 'a'),
        () => store.put({ key: 'ring', id: 'a', value: 'value', isNews: false }),
        () => store.remove('ring', 'a', 'value'),
      ]) {
        const startedMs = performance.now();
        await expect(ask()).rejects.toMatchObject({ code: 'unavailable' });
        expect(performance.now() - startedMs).toBeLessThan(timeoutMs + 20_000);
      }
      // Long enough for a connection that is overdue to be replaced.
      await timers.sleep(300);
    });
    // The bound on an answer, and the network's own buffers.
    expect(sent).toBeLessThan(96 * 2 ** 20);
  });
});

test('a wrong type in place of entries is no entry', async () => {
  const text = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
  await withRedis(says(text), async (store) => {
    expect(await store.entries('ring')).toEqual(new Map());
    expect(await store.get('ring', 'a')).toBeUndefined();
  });
});

test.each([
  ['numbers', '*2\r\n:1\r\n:2\r\n'],
  ['a text', '$1\r\na\r\n'],
  ['lists', '*2\r\n*0\r\n*0\r\n'],
])('%s in place of entries are an error', async (_, text) => {
  await withRedis(says(text), async (store) => {
    await expect(store.entries('ring')).rejects.toMatchObject({ code: 'unavailable' });
  });
});

test('a reset at each byte of an answer is an error, or the whole answer', async () => {
  const whole = '$5\r\nvalue\r\n';
  let cut = 0;
  await withRedis(
    (socket) => void socket.write(whole.slice(0, cut), () => socket.destroy()),
    async (store) => {
      // The last line end adds nothing.
      for (cut = 1; cut < whole.length - 1; cut++) {
        await expect(store.get('ring', 'a')).rejects.toMatchObject({ code: 'unavailable' });
      }
    },
  );
});
