import { Readable } from 'node:stream';
import { NodeRandom, NodeTimers } from '@loki/runtime';
import { MinioObjectStore } from './minio-object-store.ts';
import type { S3Client } from './minio-object-store.ts';
import { objectStoreContract } from './test/object-store-contract.ts';

const timers = new NodeTimers();
const random = new NodeRandom();

function s3Error(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function answer(statusCode: number, body: Buffer, more: Record<string, string> = {}): never {
  const headers = { 'content-length': String(body.length), ...more };
  return Object.assign(Readable.from([Buffer.from(body)]), { statusCode, headers }) as never;
}

/** A client with a bucket in memory, and a queue of failures that come first. */
class FakeClient implements S3Client {
  readonly objects = new Map<string, Buffer>();
  /**
   * Taken one for each request. `lost`: done, but the answer never comes through. `hang`: no answer at all.
   */
  failures: (Error | 'lost' | 'hang')[] = [];
  requests = 0;

  async putObject(
    _bucket: string,
    key: string,
    bytes: Buffer,
    _size: number,
    metadata: Record<string, string>,
  ): Promise<void> {
    await this.#request(() => {
      if (metadata['If-None-Match'] === '*' && this.objects.has(key)) throw s3Error('PreconditionFailed');
      this.objects.set(key, Buffer.from(bytes));
    });
  }

  async makeRequestAsync(options: {
    objectName?: string;
    query?: string;
    headers: Record<string, string>;
  }): Promise<never> {
    return this.#request(() => {
      if (options.objectName === undefined) return answer(200, this.#page(options.query!));
      const object = this.objects.get(options.objectName);
      if (!object) throw s3Error('NoSuchKey');
      const range = /^bytes=(\d*)-(\d*)$/.exec(options.headers['range'] ?? '');
      if (!range) return answer(200, object);
      const start = range[1] === '' ? Math.max(0, object.length - Number(range[2])) : Number(range[1]);
      if (start >= object.length) throw s3Error('InvalidRange');
      const bytes = object.subarray(start, range[1] === '' ? undefined : Number(range[2]) + 1);
      const end = start + bytes.length - 1;
      return answer(206, bytes, { 'content-range': `bytes ${start}-${end}/${object.length}` });
    });
  }

  /** A page of two objects. */
  #page(query: string): Buffer {
    const parameters = new URLSearchParams(query);
    const [prefix, after] = [parameters.get('prefix')!, parameters.get('start-after') ?? ''];
    const keys = [...this.objects.keys()].sort().filter((key) => key.startsWith(prefix) && key > after);
    const from = Number(parameters.get('continuation-token') ?? 0);
    const contents = keys
      .slice(from, from + 2)
      .map((key) => `<Contents><Key>${key}</Key><Size>${this.objects.get(key)!.length}</Size></Contents>`);
    const next = from + 2 < keys.length ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : '';
    const isTruncated = `<IsTruncated>${next !== ''}</IsTruncated>`;
    return Buffer.from(`<ListBucketResult>${isTruncated}${contents.join('')}${next}</ListBucketResult>`);
  }

  async removeObject(_bucket: string, key: string): Promise<void> {
    await this.#request(() => this.objects.delete(key));
  }

  async #request<T>(action: () => T): Promise<T> {
    this.requests++;
    const failure = this.failures.shift();
    if (failure instanceof Error) throw failure;
    if (failure === 'hang') return new Promise(() => undefined);
    const result = action();
    if (failure === 'lost') throw s3Error('ECONNRESET');
    return result;
  }
}

function storeOf(client: S3Client): MinioObjectStore {
  return new MinioObjectStore({ client, bucket: 'b', timers, random, pauseMs: 1, attemptMs: 50 });
}

objectStoreContract('minio client, simulated', async () => ({
  store: storeOf(new FakeClient()),
  dispose: async () => undefined,
}));

describe('a bucket that fails', () => {
  test('transient errors are retried, a bounded number of times', async () => {
    const client = new FakeClient();
    const store = storeOf(client);
    client.failures = [s3Error('SlowDown'), s3Error('ECONNREFUSED'), new Error('socket hang up'), 'hang'];
    await store.put('k', Buffer.from('v'));
    expect(client.requests).toBe(5);
    client.failures = Array.from({ length: 20 }, () => s3Error('InternalError'));
    await expect(store.get('k')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('k: InternalError') as string,
    });
    expect(client.failures).toHaveLength(15);
  });

  test('refusals are not retried', async () => {
    const client = new FakeClient();
    client.failures = [s3Error('AccessDenied')];
    await expect(storeOf(client).get('k')).rejects.toMatchObject({ code: 'internal' });
    expect(client.requests).toBe(1);
  });

  test("a create whose answer was lost knows its own object from another's", async () => {
    const client = new FakeClient();
    const store = storeOf(client);
    client.failures = ['lost'];
    expect(await store.putIfAbsent('mine', Buffer.from('1'))).toBe(true);
    client.failures = [s3Error('ECONNRESET')];
    expect(await store.putIfAbsent('mine', Buffer.from('2'))).toBe(false);
    expect(client.objects.get('mine')!.toString()).toBe('1');
  });

  test('a listing that breaks off goes on where it was', async () => {
    const client = new FakeClient();
    for (let i = 0; i < 10; i++) client.objects.set(`k${i}`, Buffer.alloc(i));
    client.failures = [null, null, null, s3Error('ECONNRESET'), null, s3Error('SlowDown')] as never;
    const keys: string[] = [];
    for await (const { key } of storeOf(client).list('k')) keys.push(key);
    expect(keys).toEqual(Array.from({ length: 10 }, (_, i) => `k${i}`));
  });

  test('a listing and a body that stall end with an error', async () => {
    const client = new FakeClient();
    client.makeRequestAsync = async () =>
      Object.assign(new Readable({ read() {} }), { statusCode: 200, headers: {} }) as never;
    const list = async () => {
      for await (const object of storeOf(client).list('k')) void object;
    };
    await expect(list()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(storeOf(client).get('k')).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('an abort ends a call that hangs', async () => {
    const client = new FakeClient();
    client.failures = ['hang'];
    const abort = new AbortController();
    const store = new MinioObjectStore({ client, bucket: 'b', timers, random });
    const hanging = store.get('k', abort.signal);
    abort.abort(new Error('gone'));
    await expect(hanging).rejects.toThrow('gone');
  });
});
