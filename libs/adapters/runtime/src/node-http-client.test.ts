import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NodeHttpClient } from './node-http-client.ts';

// Protects requests to servers of others: they end in time, follow no redirect, and hold no more of an answer
// than needed.

const client = new NodeHttpClient();
const servers: Server[] = [];

afterAll(() => {
  client.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('method, headers and body arrive, and the answer comes back', async () => {
  const url = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(202, { 'x-answer': 'yes' });
      const asked = String(request.headers['x-asked']);
      response.end(`${request.method} ${request.url} ${asked} ${Buffer.concat(chunks).toString()}`);
    });
  });
  const answer = await client.send({
    method: 'POST',
    url: `${url}/a/b?c=d`,
    headers: { 'x-asked': 'please' },
    body: Buffer.from('body'),
    timeoutMs: 60_000,
  });
  expect(answer.status).toBe(202);
  expect(answer.headers.get('x-answer')).toBe('yes');
  expect(answer.body.toString()).toBe('POST /a/b?c=d please body');
});

test('a redirect is an answer, not an order', async () => {
  let asked = 0;
  const url = await serve((_request, response) => {
    asked++;
    response.writeHead(302, { location: '/elsewhere' });
    response.end();
  });
  expect((await client.send({ method: 'GET', url, timeoutMs: 60_000 })).status).toBe(302);
  expect(asked).toBe(1);
});

test('a server that never answers costs the deadline and no more', async () => {
  const silent = await serve(() => undefined);
  await expect(client.send({ method: 'GET', url: silent, timeoutMs: 50 })).rejects.toThrow(
    'no answer within 50 ms',
  );
  const slow = await serve((_request, response) => void response.write('begun'));
  await expect(client.send({ method: 'GET', url: slow, timeoutMs: 50 })).rejects.toThrow(
    'no answer within 50 ms',
  );
});

test('of a long answer the beginning is kept; one without end is cut off', async () => {
  const long = await serve((_request, response) => response.end('x'.repeat(200_000)));
  expect((await client.send({ method: 'GET', url: long, timeoutMs: 60_000 })).body.length).toBe(64 * 1024);
  const endless = await serve((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  await expect(client.send({ method: 'GET', url: endless, timeoutMs: 60_000 })).rejects.toThrow('too large');
});

test('other protocols are refused, and the caller may give up', async () => {
  await expect(client.send({ method: 'GET', url: 'file:///etc/passwd', timeoutMs: 50 })).rejects.toThrow(
    'neither http nor https',
  );
  const silent = await serve(() => undefined);
  const abort = new AbortController();
  const answer = client.send({ method: 'GET', url: silent, timeoutMs: 60_000, signal: abort.signal });
  abort.abort();
  await expect(answer).rejects.toThrow('aborted');
});
