/** Protects queued samples: each appended sample is sent, also after crashes, or its loss is reported. */
import fc from 'fast-check';
import { VirtualDisk, VirtualScheduler } from '@loki/virtual';
import type { QueuedRecord } from './send-queue-records.ts';
import { SendQueue } from './send-queue.ts';

function diskOf(seed = 1): VirtualDisk {
  return new VirtualDisk(new VirtualScheduler(seed).random.fork('disk'));
}

function recordOf(id: number, bytes = 10): QueuedRecord {
  return { bytes: Buffer.alloc(bytes, id % 256), samples: 1 + (id % 3), newestMs: id };
}

async function open(disk: VirtualDisk, bytesMax = 1 << 20, fileBytesMax = 200): Promise<SendQueue> {
  return (await SendQueue.open({ disk: disk.client(), directory: 'q', bytesMax, fileBytesMax })).queue;
}

/** Ids of all that waits, taken. */
async function drain(queue: SendQueue, samplesMax = 5): Promise<number[]> {
  const ids: number[] = [];
  for (;;) {
    const { records, end } = await queue.peek(samplesMax);
    if (records.length === 0) return ids;
    ids.push(...records.map(({ newestMs }) => newestMs));
    await queue.take(
      end,
      records.reduce((sum, { samples }) => sum + samples, 0),
    );
  }
}

test('records come out in order, through any number of files', async () => {
  const disk = diskOf();
  const queue = await open(disk);
  for (let id = 0; id < 50; id++) await queue.append(recordOf(id));
  expect(queue.samples).toBe(99);
  expect(await drain(queue)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect([queue.samples, disk.paths().length]).toEqual([0, 2]);
});

test('what was not taken is there again after a restart', async () => {
  const disk = diskOf();
  const first = await open(disk);
  for (let id = 0; id < 20; id++) await first.append(recordOf(id));
  const { records, end } = await first.peek(8);
  await first.take(
    end,
    records.reduce((sum, { samples }) => sum + samples, 0),
  );
  await first.close();
  const second = await open(disk);
  await second.append(recordOf(20));
  expect(await drain(second)).toEqual(
    Array.from({ length: 21 - records.length }, (_, i) => i + records.length),
  );
});

test('beyond its bytes the oldest file goes, and is told', async () => {
  const queue = await open(diskOf(), 700);
  let lost = 0;
  for (let id = 0; id < 60; id++) {
    for (const each of await queue.append(recordOf(id))) {
      expect(each.reason).toBe('queue_full');
      lost += each.samples;
    }
  }
  expect(queue.bytes).toBeLessThanOrEqual(900);
  const remaining = await drain(queue);
  expect(remaining.at(-1)).toBe(59);
  expect(lost + remaining.reduce((sum, id) => sum + recordOf(id).samples, 0)).toBe(
    Array.from({ length: 60 }, (_, id) => recordOf(id).samples).reduce((a, b) => a + b),
  );
});

test('damage costs the record that it is in, is told, and no more', async () => {
  const disk = diskOf();
  const queue = await open(disk);
  for (let id = 0; id < 21; id++) await queue.append(recordOf(id));
  const path = disk.paths().find((each) => each.endsWith('/1.queue'))!;
  const bytes = Buffer.from(disk.bytesOf(path));
  bytes[45]++;
  disk.place(path, bytes);
  const ids = [];
  const lost = [];
  for (;;) {
    const peeked = await queue.peek(1);
    lost.push(...peeked.losses);
    if (peeked.records.length === 0) break;
    ids.push(...peeked.records.map(({ newestMs }) => newestMs));
    await queue.take(peeked.end, peeked.records[0].samples);
  }
  expect(ids).toEqual([0, ...Array.from({ length: 19 }, (_, i) => i + 2)]);
  expect(lost).toEqual([{ samples: 2, reason: 'corrupt' }]);
  expect(queue.samples).toBe(0);
});

test.each([
  ['a payload', 30 + 20],
  ['a length', 30],
  ['the last record', 5 * 30 + 25],
])('damage to %s that a restart finds is told at once, and costs that record', async (_, at) => {
  const disk = diskOf();
  const queue = await open(disk);
  for (let id = 0; id < 6; id++) await queue.append(recordOf(id));
  await queue.close();
  const path = disk.paths().find((each) => each.endsWith('/1.queue'))!;
  const bytes = Buffer.from(disk.bytesOf(path));
  bytes[at] ^= 0x40;
  disk.place(path, bytes);
  const opened = await SendQueue.open({ disk: disk.client(), directory: 'q', bytesMax: 1 << 20 });
  expect(opened.losses).toEqual([{ samples: 1, reason: 'corrupt' }]);
  const damaged = Math.floor(at / 30);
  expect(await drain(opened.queue)).toEqual([0, 1, 2, 3, 4, 5].filter((id) => id !== damaged));
});

test.each([
  ['a flipped digit', (text: string) => text.replace(/^\d/, '9')],
  ['a cut', (text: string) => text.slice(0, 4)],
  ['nothing', () => ''],
])('a damaged position loses nothing: %s', async (_, damage) => {
  const disk = diskOf();
  const queue = await open(disk);
  for (let id = 0; id < 6; id++) await queue.append(recordOf(id));
  const { end, records } = await queue.peek(1);
  await queue.take(end, records[0].samples);
  await queue.close();
  const path = disk.paths().find((each) => each.endsWith('/position'))!;
  disk.place(path, Buffer.from(damage(disk.bytesOf(path).toString())));
  // Sent again: the receiver has it.
  expect(await drain(await open(disk))).toEqual([0, 1, 2, 3, 4, 5]);
});

test('a position without a checksum, as earlier versions wrote it, is believed', async () => {
  const disk = diskOf();
  const queue = await open(disk);
  for (let id = 0; id < 6; id++) await queue.append(recordOf(id));
  await queue.close();
  disk.place('q/position', Buffer.from('1 60\n'));
  expect(await drain(await open(disk))).toEqual([2, 3, 4, 5]);
});

test('a disk that takes nothing says so, and works again later', async () => {
  const disk = diskOf();
  const queue = await open(disk);
  await queue.append(recordOf(1));
  disk.onOperation = ({ kind }) => {
    if (kind === 'append' || kind === 'sync') throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  };
  await expect(queue.append(recordOf(2))).rejects.toThrow('full');
  disk.onOperation = undefined;
  await queue.append(recordOf(3));
  expect(await drain(queue)).toEqual([1, 3]);
});

test('whatever crashes, appended records come out in order, at most with repeats', async () => {
  const steps = fc.array(fc.constantFrom('append', 'append', 'take', 'crash', 'restart'), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.nat(), steps, async (seed, plan) => {
      const disk = diskOf(seed);
      let queue = await open(disk);
      const out: number[] = [];
      let appended = 0;
      for (const step of plan) {
        if (step === 'append') await queue.append(recordOf(appended++));
        else if (step === 'take') {
          const { records, end } = await queue.peek(4);
          out.push(...records.map(({ newestMs }) => newestMs));
          if (records.length > 0) {
            await queue.take(
              end,
              records.reduce((sum, { samples }) => sum + samples, 0),
            );
          }
        } else {
          if (step === 'crash') disk.crash();
          else await queue.close();
          queue = await open(disk);
        }
      }
      out.push(...(await drain(queue)));
      expect([...new Set(out)]).toEqual(Array.from({ length: appended }, (_, i) => i));
      expect(queue.samples).toBe(0);
    }),
    { numRuns: 300 },
  );
});
