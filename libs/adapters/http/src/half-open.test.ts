/**
 * Protects clients that close their writing side once the request is sent: they get their answer, while what
 * a client that has gone asked for is still cancelled.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Timers } from '@loki/ports';
import { eventually } from '@loki/test-tools';
import { HalfOpen } from './half-open.ts';

const timers: Timers = {
  after(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timeout) };
  },
  // A handler that still waits for a client that has gone does not keep the test.
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs).unref()),
};

let server: Server;
let port: number;
/** The fate of each answer. */
let ends: ('sent' | 'lost')[];

beforeEach(async () => {
  const halfOpen = new HalfOpen(timers);
  ends = [];
  /** The path is how many milliseconds the answer takes. */
  const serve = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    halfOpen.add(response);
    response.once('close', () => {
      halfOpen.delete(response);
      ends.push(response.writableFinished ? 'sent' : 'lost');
    });
    for await (const _ of message);
    await timers.sleep(Number(message.url!.slice(1)));
    response.end(`after ${message.url!.slice(1)}`);
  };
  server = createServer((message, response) => void serve(message, response).catch(() => undefined));
  halfOpen.watch(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Writes, closes the writing side, and reads until the server closes too. */
function half(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(text));
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('end', () => resolve(received));
    socket.on('error', reject);
  });
}

const get = (path: string, version = '1.1') => `GET ${path} HTTP/${version}\r\nHost: x\r\n\r\n`;
const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

test.each([
  ['GET', get('/100')],
  ['POST', post('/100', 'body')],
  ['HTTP/1.0', get('/100', '1.0')],
])('a half-closed %s is answered, and its connection closed then', async (_, request) => {
  const answer = await half(request);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toContain('after 100');
  expect(ends).toEqual(['sent']);
});

test('requests that came together are all answered', async () => {
  const answer = await half(get('/200') + post('/10', 'x') + get('/20'));
  expect(answer.match(/after \d+/g)).toEqual(['after 200', 'after 10', 'after 20']);
});

test('an answer that takes long follows interim ones, which tell whether the client is there', async () => {
  const answer = await half(get('/700'));
  expect(answer).toMatch(
    /^HTTP\/1\.1 102 Processing\r\n\r\n(?:HTTP\/1\.1 102 Processing\r\n\r\n)*HTTP\/1\.1 200 OK\r\n/,
  );
  expect(answer).toContain('after 700');
});

test.each(['1.0', '1.1'])('a client of HTTP/%s that has gone is lost soon', async (version) => {
  const socket = connect({ port, host: '127.0.0.1' }, () => {
    socket.write(get('/200000', version));
    setTimeout(() => socket.destroy(), 50);
  });
  // The answer itself takes longer than this wait.
  await eventually(() => ends.length > 0, { withinMs: 100_000 });
  expect(ends).toEqual(['lost']);
});

test('half a request is no request', async () => {
  const answer = await half('POST /10 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nfew');
  expect(answer).not.toContain('200 OK');
});
