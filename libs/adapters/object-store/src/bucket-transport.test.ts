/** Protects the figures that operators pay for: each request to a bucket is counted once, under S3's name. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { NodeClock } from '@loki/runtime';
import type { BucketRequest } from '@loki/telemetry';
import { observedTransport } from './bucket-transport.ts';

const server = http.createServer((request, response) => {
  if (request.url === '/b/hangs-up') return void request.socket.destroy();
  response.statusCode = request.url === '/b/missing' ? 404 : 200;
  response.end('answer');
});
let port = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => server.close());

test.each([
  ['GET', '/b/key', 'S3.GetObject', 200],
  ['GET', '/b/missing', 'S3.GetObject', 404],
  ['GET', '/b/hangs-up', 'S3.GetObject', 0],
  ['GET', '/b?list-type=2&prefix=a', 'S3.List', 200],
  ['PUT', '/b/key', 'S3.PutObject', 200],
  ['PUT', '/b/key?partNumber=1&uploadId=x', 'S3.UploadPart', 200],
  ['POST', '/b/key?uploads', 'S3.CreateMultipartUpload', 200],
  ['POST', '/b/key?uploadId=x', 'S3.CompleteMultipartUpload', 200],
  ['DELETE', '/b/key', 'S3.DeleteObject', 200],
  ['HEAD', '/b', 'S3.Head', 200],
])('%s %s is %s with status %d', async (method, path, operation, status) => {
  const requests: BucketRequest[] = [];
  const transport = observedTransport(false, {
    observer: { requested: (each) => void requests.push(each) },
    clock: new NodeClock(),
  });
  await new Promise<void>((resolve) => {
    const sent = transport.request({ host: '127.0.0.1', port, method, path }, (answer) => answer.resume());
    sent.on('error', () => undefined);
    sent.on('close', resolve);
    sent.end();
  });
  expect(requests).toEqual([{ method, operation, status, seconds: expect.any(Number) as number }]);
});
