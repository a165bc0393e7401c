/** Protects: a streamed answer follows the speed of its client, and is cut when it fails. */
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { LokiError } from '@loki/model';
import { eventually } from '@loki/test-tools';
import { logged, raw, send, standstill, start, stopAll } from './test/server.ts';

afterEach(stopAll);

describe('answers that are made while they are sent', () => {
  const piece = 'x'.repeat(65_536);
  const ndjson = { 'content-type': 'application/x-ndjson' };

  test.each(['identity', 'gzip'])('all pieces arrive, as %s', async (coding) => {
    async function* pieces() {
      for (let i = 0; i < 20; i++) yield Promise.resolve(piece);
    }
    const { port } = await start((server) =>
      server.handle('query', () => ({ status: 200, headers: ndjson, stream: pieces() })),
    );
    const answer = await send(port, '/loki/api/v1/query', { headers: { 'accept-encoding': coding } });
    expect(answer.headers['transfer-encoding']).toBe('chunked');
    const isPacked = answer.headers['content-encoding'] === 'gzip';
    expect(isPacked).toBe(coding === 'gzip');
    const body = isPacked ? gunzipSync(answer.body) : answer.body;
    expect(body.length).toBe(20 * piece.length);
  });

  /** Opens a request and reads nothing of its answer until told so. */
  function open(port: number): ReturnType<typeof connect> {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /loki/api/v1/query HTTP/1.1\r\nhost: a\r\n\r\n'),
    );
    socket.on('error', () => undefined);
    return socket.pause();
  }

  test('no more is made than a client takes, and nothing once it is gone', async () => {
    let made = 0;
    let isEnded = false;
    async function* pieces() {
      try {
        for (;;) {
          made++;
          yield Promise.resolve(piece);
        }
      } finally {
        isEnded = true;
      }
    }
    const { port } = await start((server) =>
      server.handle('query', () => ({ status: 200, headers: ndjson, stream: pieces() })),
    );
    const client = open(port);
    // It stands still once the buffers are full, whenever that is.
    const stalledAt = await standstill(() => made);
    // No more than the kernel's buffers of both ends hold.
    expect(stalledAt * piece.length).toBeLessThan(32 * 1024 * 1024);
    client.destroy();
    await eventually(() => isEnded);
  });

  test('a client that takes nothing for too long is cut', async () => {
    let isEnded = false;
    async function* pieces() {
      try {
        for (;;) yield Promise.resolve(piece);
      } finally {
        isEnded = true;
      }
    }
    const { port } = await start(
      (server) => server.handle('query', () => ({ status: 200, headers: ndjson, stream: pieces() })),
      { writeTimeoutMs: 200 },
    );
    const client = open(port);
    const closed = new Promise((resolve) => client.once('close', resolve));
    await eventually(() => isEnded);
    client.resume();
    await closed;
  });

  test.each(['identity', 'gzip'])(
    'a failure on the way cuts the connection after what was sent, as %s',
    async (coding) => {
      async function* pieces() {
        yield Promise.resolve('first');
        throw new LokiError('unavailable', 'no more');
      }
      const { port } = await start((server) =>
        server.handle('query', () => ({ status: 200, headers: ndjson, stream: pieces() })),
      );
      const text = await raw(
        port,
        `GET /loki/api/v1/query HTTP/1.1\r\nhost: a\r\naccept-encoding: ${coding}\r\n\r\n`,
      );
      expect(text).toContain('200 OK');
      if (coding === 'identity') expect(text).toContain('first');
      expect(text).not.toMatch(/\r\n0\r\n\r\n$/);
      expect(logged).toEqual(['an answer was cut short']);
    },
  );
});
