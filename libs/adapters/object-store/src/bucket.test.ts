/**
 * Against a real server: `LOKI_TEST_S3_ENDPOINT=http://127.0.0.1:9000`, with keys in the usual AWS variables.
 */
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from 'minio';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { MemoryObjectStore } from './memory-object-store.ts';
import { openBucket, proveBucket } from './open-bucket.ts';
import type { BucketOptions } from './open-bucket.ts';
import { objectStoreContract } from './test/object-store-contract.ts';
import type { ObjectStoreSubject } from './test/object-store-contract.ts';

const world = { clock: new NodeClock(), timers: new NodeTimers(), random: new NodeRandom() };
const endpoint = process.env['LOKI_TEST_S3_ENDPOINT'];

const keys = {
  accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? 'test',
  secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? 'test-secret',
  sessionToken: '',
};

function optionsOf(url: URL, more: Partial<BucketOptions> = {}): BucketOptions {
  return {
    endpoint: url.hostname,
    port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
    useTls: url.protocol === 'https:',
    region: process.env['AWS_REGION'] ?? 'us-east-1',
    bucket: `loki-test-${Buffer.from(world.random.bytes(6)).toString('hex')}`,
    credentials: { keys },
    forcePathStyle: false,
    insecureSkipVerify: false,
    storageClass: '',
    ...more,
  };
}

if (!endpoint) test.skip('S3: skipped, LOKI_TEST_S3_ENDPOINT is not set', () => undefined);
else {
  const url = new URL(endpoint);
  const admin = new Client({
    endPoint: url.hostname,
    port: optionsOf(url).port,
    useSSL: url.protocol === 'https:',
    accessKey: keys.accessKeyId,
    secretKey: keys.secretAccessKey,
    region: optionsOf(url).region,
  });

  const open = async (): Promise<ObjectStoreSubject> => {
    const options = optionsOf(url);
    await admin.makeBucket(options.bucket);
    const store = openBucket(options, world);
    const dispose = async (): Promise<void> => {
      for await (const { key } of store.list('')) await store.delete(key);
      await admin.removeBucket(options.bucket);
    };
    return { store, dispose };
  };
  objectStoreContract(`S3 at ${endpoint}`, open, { nestsKeys: false });

  describe('a bucket at the start', () => {
    test('that is there is proved, and nothing is left in it', async () => {
      const options = optionsOf(url);
      await admin.makeBucket(options.bucket);
      const store = openBucket(options, world);
      await proveBucket(options, { ...world, store });
      const keys: string[] = [];
      for await (const { key } of store.list('')) keys.push(key);
      expect(keys).toEqual([]);
      await admin.removeBucket(options.bucket);
    });

    test('that is not there is named, with what to do', async () => {
      const options = optionsOf(url);
      await expect(
        proveBucket(options, { ...world, store: openBucket(options, world) }),
      ).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining(`${options.bucket} at ${url.hostname}`) as string,
      });
    });

    test('that large objects come back from', async () => {
      const options = optionsOf(url);
      await admin.makeBucket(options.bucket);
      const store = openBucket(options, world);
      const bytes = Buffer.from(world.random.bytes(20 << 20));
      await store.put('large', bytes);
      expect((await store.get('large')).equals(bytes)).toBe(true);
      expect((await store.getTail('large', 100)).sizeBytes).toBe(bytes.length);
      await store.delete('large');
      await admin.removeBucket(options.bucket);
    });
  });
}

describe('a server that will not do', () => {
  async function against(listener: RequestListener, action: (url: URL) => Promise<void>): Promise<void> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await action(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  test.each([
    ['AccessDenied', 403, 'refuses our access key'],
    ['ExpiredToken', 400, 'the session token is no longer valid'],
    ['RequestTimeTooSkewed', 403, 'the clock of this machine differs'],
    ['NoSuchBucket', 404, 'does not exist'],
  ])('saying %s is told, and may be mended', async (code, status, text) => {
    await against(
      (request, response) => {
        const body = `<Error><Code>${code}</Code><Message>m</Message></Error>`;
        response.writeHead(status, { 'content-type': 'application/xml', 'x-amz-error-code': code });
        response.end(request.method === 'HEAD' ? undefined : body);
      },
      async (url) => {
        const store = new MemoryObjectStore();
        await expect(proveBucket(optionsOf(url), { ...world, store })).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringContaining(text) as string,
        });
      },
    );
  });

  test('of a name that no bucket can have is told as such', async () => {
    const options = optionsOf(new URL('http://127.0.0.1:1'), { bucket: 'b' });
    const store = new MemoryObjectStore();
    await expect(proveBucket(options, { ...world, store })).rejects.toThrow(
      'its name is none that a bucket can have',
    );
  });

  test('a bucket that overwrites on create is detected', async () => {
    await against(
      (_request, response) => response.writeHead(200).end(),
      async (url) => {
        const store = new MemoryObjectStore();
        store.putIfAbsent = async () => true;
        await expect(proveBucket(optionsOf(url), { ...world, store })).rejects.toThrow('If-None-Match');
      },
    );
  });

  test('not being there is said at once: the caller has patience', async () => {
    const options = optionsOf(new URL('http://127.0.0.1:1'));
    const store = new MemoryObjectStore();
    await expect(proveBucket(options, { ...world, store })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});
