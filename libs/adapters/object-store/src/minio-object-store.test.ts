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

/** What the client would do with a bucket in memory, with a queue of failures to have first. */
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

  async makeRequestAsync(options: { objectName: string; headers: Record<string, string> }): Promise<never> {
    return this.#request(() => {
      const object = this.objects.get(options.objectName);
      if (!object) throw s3Error('NoSuchKey');
      const range = /^bytes=(\d*)-(\d*)$/.exec(options.headers['range'] ?? '');
      let bytes = object;
      if (range) {
        const start = range[1] === '' ? Math.max(0, object.length - Number(range[2])) : Number(range[1]);
        if (start >= object.length) throw s3Error('InvalidRange');
        bytes = object.subarray(start, range[1] === '' ? undefined : Number(range[2]) + 1);
      }
      const headers = { 'content-length': String(bytes.length), 'content-range': `bytes x/${object.length}` };
      return Object.assign(Readable.from([Buffer.from(bytes)]), { headers }) as never;
    });
  }

  async *listObjectsV2(
    _bucket: string,
    prefix: string,
    _recursive: boolean,
    after: string,
  ): AsyncIterable<{ name: string; size: number }> {
    for (const name of [...this.objects.keys()].sort()) {
      if (!name.startsWith(prefix) || name <= after) continue;
      const failure = this.failures.shift();
      if (failure instanceof Error) throw failure;
      yield { name, size: this.objects.get(name)!.length };
    }
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
  test('what may pass is tried again, with an end', async () => {
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

  test('what is refused is not', async () => {
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
    const stalled = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    client.listObjectsV2 = () => stalled as never;
    const list = async () => {
      for await (const object of storeOf(client).list('k')) void object;
    };
    await expect(list()).rejects.toMatchObject({ code: 'unavailable' });
    client.makeRequestAsync = async () => ({ headers: {}, ...stalled }) as never;
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
