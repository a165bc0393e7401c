/**
 * Protects against a bucket, or what stands in its place, that answers whatever it likes: each call ends by
 * its deadline with an error of the catalogue, holds no more than was asked for, and never gives bytes of
 * another place for those that were asked for.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Client } from 'minio';
import { LokiError } from '@loki/model';
import { NodeRandom, NodeTimers } from '@loki/runtime';
import { MinioObjectStore } from './minio-object-store.ts';

const object = Buffer.from('0123456789abcdefghij');
const attemptMs = 400;

/** Bytes that servers gave away, and connections that are open. */
interface Watch {
  sentBytes: number;
  readonly sockets: Set<Socket>;
}

async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse, watch: Watch) => void,
  action: (store: MinioObjectStore, watch: Watch) => Promise<void>,
): Promise<void> {
  const watch: Watch = { sentBytes: 0, sockets: new Set() };
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    answer(request, response, watch);
  });
  server.on('connection', (socket: Socket) => {
    watch.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => watch.sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = new Client({
    endPoint: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    useSSL: false,
    region: 'us-east-1',
    accessKey: 'a',
    secretKey: 'b',
    retryOptions: { disableRetry: true },
  });
  const store = new MinioObjectStore({
    client,
    bucket: 'bucket',
    timers: new NodeTimers(),
    random: new NodeRandom(),
    attemptMs,
    attemptsMax: 2,
    pauseMs: 1,
  });
  try {
    await action(store, watch);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Sends for as long as the client reads. */
function pour(response: ServerResponse, watch: Watch, piece: Buffer): void {
  const write = (): void => {
    while (!response.destroyed) {
      watch.sentBytes += piece.length;
      if (!response.write(piece)) {
        response.once('drain', write);
        return;
      }
    }
  };
  write();
}

async function listed(store: MinioObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('k')) keys.push(key);
  return keys;
}

const calls: readonly [name: string, call: (store: MinioObjectStore) => Promise<unknown>][] = [
  ['get', (store) => store.get('k')],
  ['getRange', (store) => store.getRange('k', 5, 4)],
  ['getTail', (store) => store.getTail('k', 4)],
  ['list', listed],
  ['put', (store) => store.put('k', object)],
  ['putIfAbsent', (store) => store.putIfAbsent('k', object)],
  ['delete', (store) => store.delete('k')],
];

const page = (contents: string, more = '') =>
  `<ListBucketResult><IsTruncated>true</IsTruncated>${more}${contents}</ListBucketResult>`;
const bomb = `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "${'x'.repeat(1000)}">${Array.from({ length: 20 }, (_, i) => `<!ENTITY b${i} "${`&b${i === 0 ? '' : i - 1};`.repeat(10)}">`).join('')}]>`;

type Answer = (request: IncomingMessage, response: ServerResponse, watch: Watch) => void;

const hostile: readonly [name: string, answer: Answer][] = [
  ['nothing', () => undefined],
  ['a reset', (_, response) => response.socket!.resetAndDestroy()],
  ['headers alone', (_, response) => response.writeHead(200, { 'content-length': '20' }).flushHeaders()],
  [
    'a slow drip',
    (_, response) => {
      response.writeHead(500, { 'content-type': 'application/xml' });
      const drip = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(drip));
    },
  ],
  [
    'half of an answer',
    (_, response) => {
      response.writeHead(206, { 'content-length': '20', 'content-range': 'bytes 5-24/100' });
      response.write(object.subarray(0, 7), () => response.socket?.resetAndDestroy());
    },
  ],
  [
    'an endless error',
    (_, response, watch) => pour(response.writeHead(503), watch, Buffer.alloc(65_536, 'x')),
  ],
  [
    'XML that unfolds',
    (_, response) => response.writeHead(400).end(`${bomb}<Error><Code>&b19;</Code></Error>`),
  ],
  ['a status of nowhere', (_, response) => response.writeHead(299).end('odd')],
  ['a redirect', (_, response) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end()],
  ['no HTTP', (_, response) => response.socket!.end('+OK redis here\r\n')],
];

describe.each(hostile)('a server that answers with %s', (_, answer) => {
  test.each(calls)('ends %s by its deadline, with an error', async (_name, call) => {
    await withServer(answer, async (store, watch) => {
      const startedMs = performance.now();
      await expect(call(store)).rejects.toBeInstanceOf(LokiError);
      expect(performance.now() - startedMs).toBeLessThan(2 * attemptMs + 20_000);
      // The network's own buffers hold a few megabytes.
      expect(watch.sentBytes).toBeLessThan(64 * 2 ** 20);
    });
  });
});

test.each<[string, number, Record<string, string>, Buffer]>([
  ['of another place', 206, { 'content-range': 'bytes 6-9/20' }, object.subarray(6, 10)],
  ['fewer than they say', 206, { 'content-range': 'bytes 5-8/20' }, object.subarray(5, 7)],
  ['more than were asked for', 206, { 'content-range': 'bytes 5-14/20' }, object.subarray(5, 15)],
  ['of no place', 206, {}, object.subarray(5, 9)],
  ['of a place that is none', 206, { 'content-range': 'bytes 5-8/x' }, object.subarray(5, 9)],
])('bytes %s are not taken for a range', async (_, status, headers, body) => {
  await withServer(
    (_request, response) => response.writeHead(status, headers).end(body),
    async (store) => {
      await expect(store.getRange('k', 5, 4)).rejects.toMatchObject({ code: 'unavailable' });
      await expect(store.getTail('k', 4)).rejects.toMatchObject({ code: 'unavailable' });
    },
  );
});

test('a server that knows no ranges gives the whole object, of which the range is taken', async () => {
  await withServer(
    (_, response) => response.writeHead(200).end(object),
    async (store) => {
      expect((await store.getRange('k', 5, 4)).toString()).toBe('5678');
      expect(await store.getTail('k', 4)).toEqual({ bytes: Buffer.from('ghij'), sizeBytes: 20 });
    },
  );
});

test('a body without end is closed at what was asked for', async () => {
  const answer: Answer = (_, response, watch) =>
    pour(response.writeHead(206, { 'content-range': 'bytes 5-8/20' }), watch, Buffer.alloc(65_536));
  await withServer(answer, async (store, watch) => {
    await expect(store.getRange('k', 5, 4)).rejects.toMatchObject({ code: 'unavailable' });
    expect(watch.sentBytes).toBeLessThan(32 * 2 ** 20);
  });
});

test.each<[string, string]>([
  ['the same page for ever', page('<Contents><Key>k1</Key><Size>1</Size></Contents>')],
  ['empty pages for ever', page('', '<NextContinuationToken>t</NextContinuationToken>')],
  ['keys of another prefix', page('<Contents><Key>other</Key><Size>1</Size></Contents>')],
  [
    'keys that fall',
    page('<Contents><Key>k2</Key><Size>1</Size></Contents><Contents><Key>k1</Key><Size>1</Size></Contents>'),
  ],
  ['sizes that are none', page('<Contents><Key>k2</Key><Size>-1</Size></Contents>')],
  ['a page that is cut', '<ListBucketResult><Contents><Key>k1</Key>'],
  ['a page of something else', '<html>login</html>'],
  ['entities that unfold', `${bomb}${page('<Contents><Key>k&b19;</Key></Contents>')}`],
])('a listing of %s ends with an error', async (_, body) => {
  await withServer(
    (_request, response) => response.writeHead(200).end(body),
    async (store) => {
      await expect(listed(store)).rejects.toMatchObject({ code: 'unavailable' });
    },
  );
});

test('a reset at each byte of an answer is an error, or the whole answer', async () => {
  const head = `HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\ncontent-range: bytes 5-8/20\r\n\r\n`;
  const whole = Buffer.concat([Buffer.from(head), object.subarray(5, 9)]);
  let cut = 0;
  await withServer(
    (_, response) => {
      const { socket } = response;
      socket!.write(whole.subarray(0, cut), () => socket!.destroy());
    },
    async (store) => {
      for (cut = 0; cut < whole.length; cut++) {
        await expect(store.getRange('k', 5, 4)).rejects.toMatchObject({ code: 'unavailable' });
      }
      expect((await store.getRange('k', 5, 4)).toString()).toBe('5678');
    },
  );
});
