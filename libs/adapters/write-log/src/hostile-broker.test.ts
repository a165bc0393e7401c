/**
 * Protects against a broker, or what stands in its place, that answers whatever it likes: dialling and each
 * request end by their deadline with an error, the process lives, and no more is held than an answer may be.
 */
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { NodeTimers } from '@loki/runtime';
import { KafkaConnection } from './kafka-connection.ts';
import { apiVersionsUsed, metadataCall } from './kafka-protocol.ts';

const timers = new NodeTimers();
const dialTimeoutMs = 600;
const requestMs = 400;

type Answer = (socket: net.Socket, request: Buffer) => void;

/** A framed answer to the request whose correlation id stands at byte 8. */
function framed(request: Buffer, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 4, 0);
  request.copy(head, 4, 8, 12);
  return Buffer.concat([head, body]);
}

/** The answer to ApiVersions 0 and higher: no error, and all versions of the APIs in use. */
function versions(): Buffer {
  const rows = [...apiVersionsUsed.keys(), 18].map((apiKey) => {
    const row = Buffer.alloc(6);
    row.writeInt16BE(apiKey, 0);
    row.writeInt16BE(apiKey === 18 ? 2 : 15, 4);
    return row;
  });
  const head = Buffer.alloc(6);
  head.writeInt32BE(rows.length, 2);
  return Buffer.concat([head, ...rows, Buffer.alloc(4)]);
}

const isVersions = (request: Buffer) => request.readInt16BE(4) === 18;

/** Serves ApiVersions as a broker does, and answers all else as `answer` says. */
async function withBroker(
  answer: Answer,
  action: (address: { host: string; port: number }) => Promise<void>,
  isHonestAtFirst = true,
): Promise<number> {
  const sockets = new Set<net.Socket>();
  let sentBytes = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => (sentBytes += socket.bytesWritten));
    socket.on('data', (request: Buffer) => {
      if (isHonestAtFirst && isVersions(request)) socket.write(framed(request, versions()));
      else answer(socket, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await action({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  } finally {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  }
  return sentBytes;
}

function pour(socket: net.Socket, piece: Buffer): void {
  const write = (): void => {
    while (!socket.destroyed) if (!socket.write(piece)) return void socket.once('drain', write);
  };
  write();
}

const sized = (size: number, rest = Buffer.alloc(0)) => {
  const head = Buffer.alloc(4);
  head.writeInt32BE(size);
  return Buffer.concat([head, rest]);
};

const hostile: readonly [name: string, answer: Answer][] = [
  ['nothing', () => undefined],
  ['a reset', (socket) => socket.resetAndDestroy()],
  ['an end', (socket) => socket.end()],
  ['a negative size', (socket) => socket.write(sized(-4))],
  ['the least size', (socket) => socket.write(sized(-(2 ** 31)))],
  ['a size of nothing', (socket) => socket.write(sized(0))],
  ['a size below a number', (socket) => socket.write(sized(3, Buffer.alloc(3)))],
  ['a size beyond all memory', (socket) => socket.write(sized(2 ** 31 - 1))],
  ['an endless answer', (socket) => (socket.write(sized(2 ** 31 - 1)), pour(socket, Buffer.alloc(65_536)))],
  ['an answer to another', (socket) => socket.write(sized(12, Buffer.alloc(12, 0x77)))],
  ['HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')],
  ['zeros without end', (socket) => pour(socket, Buffer.alloc(65_536))],
  ['an empty answer', (socket, request) => socket.write(framed(request, Buffer.alloc(0)))],
  ['an answer of noise', (socket, request) => socket.write(framed(request, Buffer.alloc(500, 0x55)))],
  ['a list of billions', (socket, request) => socket.write(framed(request, Buffer.alloc(64, 0x7f)))],
  [
    'a slow drip',
    (socket, request) => {
      const bytes = framed(request, Buffer.alloc(1000));
      let at = 0;
      const drip = setInterval(() => socket.write(bytes.subarray(at++, at)), 30);
      socket.on('close', () => clearInterval(drip));
    },
  ],
];

const dial = (address: { host: string; port: number }) =>
  KafkaConnection.dial(address, { clientId: 'test', dialTimeoutMs, timers });

describe.each(hostile)('a broker that answers with %s', (_, answer) => {
  test('fails a request by its deadline', async () => {
    const sent = await withBroker(answer, async (address) => {
      const connection = await dial(address);
      const startedMs = performance.now();
      await expect(connection.request(metadataCall('topic'), requestMs)).rejects.toThrow();
      expect(performance.now() - startedMs).toBeLessThan(requestMs + 20_000);
      expect(connection.isUsable).toBe(false);
    });
    expect(sent).toBeLessThan(64 * 2 ** 20);
  });

  test('fails a dial by its deadline', async () => {
    await withBroker(
      answer,
      async (address) => {
        const startedMs = performance.now();
        await expect(dial(address)).rejects.toThrow();
        expect(performance.now() - startedMs).toBeLessThan(3 * dialTimeoutMs + 20_000);
      },
      false,
    );
  });
});

test('a reset at each byte of an answer is an error', async () => {
  let cut = 0;
  const answer: Answer = (socket, request) => {
    const whole = framed(request, Buffer.alloc(30));
    socket.write(whole.subarray(0, cut), () => socket.destroy());
  };
  await withBroker(answer, async (address) => {
    for (cut = 0; cut < 38; cut++) {
      const connection = await dial(address);
      await expect(connection.request(metadataCall('topic'), requestMs)).rejects.toThrow();
    }
  });
});
