/** Protects: the virtual bucket behaves like a bucket, also under faults. */
import { crc32c } from '@loki/bytes';
import { VirtualScheduler } from './scheduler.ts';
import { VirtualBucket } from './virtual-object-store.ts';
import { VirtualProcess } from './virtual-process.ts';

async function world() {
  const scheduler = new VirtualScheduler(3);
  const bucket = new VirtualBucket(scheduler.random.fork('bucket'));
  const process = new VirtualProcess(scheduler, 'p');
  return { scheduler, bucket, process, store: bucket.client(process) };
}

describe('the virtual bucket', () => {
  test('creates if absent, once', async () => {
    const { scheduler, store } = await world();
    expect(await scheduler.settle(store.putIfAbsent('k', Buffer.from('1')))).toBe(true);
    expect(await scheduler.settle(store.putIfAbsent('k', Buffer.from('2')))).toBe(false);
    expect((await scheduler.settle(store.get('k'))).toString()).toBe('1');
    await expect(scheduler.settle(store.get('other'))).rejects.toMatchObject({ code: 'notFound' });
  });

  test('an answer that is lost leaves the deed done; an error before leaves nothing', async () => {
    const { scheduler, bucket, store } = await world();
    bucket.faults.answerLost = 1;
    await expect(scheduler.settle(store.put('lost', Buffer.from('1')))).rejects.toMatchObject({
      code: 'unavailable',
    });
    bucket.faults.answerLost = 0;
    bucket.faults.errorBefore = 1;
    await expect(scheduler.settle(store.put('never', Buffer.from('1')))).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect([...bucket.objects.keys()]).toEqual(['lost']);
  });

  test('what a process sent before it was killed arrives, and nobody hears of it', async () => {
    const { scheduler, bucket, process, store } = await world();
    let heard = false;
    store.put('k', Buffer.from('1')).then(
      () => (heard = true),
      () => (heard = true),
    );
    process.kill();
    await scheduler.run();
    expect([...bucket.objects.keys()]).toEqual(['k']);
    expect(heard).toBe(false);
  });

  test('an unseen flip changes the bytes read and not their checksum; the object stays as it is', async () => {
    const { scheduler, bucket, store } = await world();
    const bytes = Buffer.from('a line of log that somebody needs');
    await scheduler.settle(store.put('k', bytes));
    bucket.faults.bitFlip = 1;
    const flipped = await scheduler.settle(store.get('k'));
    expect(crc32c(flipped)).not.toBe(crc32c(bytes));
    bucket.faults.flipShape = 'unseen';
    const unseen = await scheduler.settle(store.get('k'));
    expect(unseen.equals(bytes)).toBe(false);
    expect(crc32c(unseen)).toBe(crc32c(bytes));
    expect(bucket.objects.get('k')).toEqual(bytes);
  });

  test('lists by prefix in byte order', async () => {
    const { scheduler, store } = await world();
    for (const key of ['b/2', 'a/1', 'b/10', 'b/1']) await scheduler.settle(store.put(key, Buffer.from(key)));
    const list = async () => {
      const keys: string[] = [];
      for await (const { key } of store.list('b/', 'b/1')) keys.push(key);
      return keys;
    };
    expect(await scheduler.settle(list())).toEqual(['b/10', 'b/2']);
  });
});
