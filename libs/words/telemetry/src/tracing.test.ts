import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isTracing, startTracing, traceHeaders, withServerSpan, withSpan } from './tracing.ts';

/** A receiver of spans that keeps the bytes it was sent. */
async function receiver() {
  const bodies: Buffer[] = [];
  const paths: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      paths.push(request.url ?? '');
      bodies.push(Buffer.concat(chunks));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}/`, bodies, paths, close: () => server.close() };
}

const caller = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('spans reach the collector, below the caller’s span, and stop when told', async () => {
  const { endpoint, bodies, paths, close } = await receiver();
  const stop = await startTracing({ serviceName: 'loki', serviceVersion: '3', endpoint, samplingRatio: 1 });
  expect(isTracing()).toBe(true);
  let inner: Readonly<Record<string, string>> = {};
  const answer = await withServerSpan(
    'HTTP GET - labels',
    () => new Map([['traceparent', caller]]),
    {},
    () =>
      withSpan('fetch', { tenant: 'a' }, () => {
        inner = traceHeaders();
        return Promise.resolve(5);
      }),
  );
  await expect(withSpan('failing', {}, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  await stop();
  close();
  expect(answer).toBe(5);
  expect(inner['traceparent']).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  expect(inner['traceparent']).not.toBe(caller);
  expect(paths).toContain('/v1/traces');
  const sent = Buffer.concat(bodies);
  for (const text of ['loki', 'HTTP GET - labels', 'fetch', 'failing', 'broken']) {
    expect(sent.includes(text)).toBe(true);
  }
  expect(sent.includes(Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex'))).toBe(true);
  expect(isTracing()).toBe(false);
  expect(traceHeaders()).toEqual({});
});

test('without an endpoint nothing starts', async () => {
  const stop = await startTracing({
    serviceName: 'loki',
    serviceVersion: '3',
    endpoint: '',
    samplingRatio: 1,
  });
  expect(isTracing()).toBe(false);
  await stop();
});
