/** Protects a store from a second embedded log, and ends the process whose store was given to another one. */
import type { LokiError } from '@loki/model';
import type { Logger } from '@loki/ports';
import { VirtualBucket, VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { ownStore } from './own-store.ts';
import { OwnerMark } from './owner-mark.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

function newWorld() {
  const scheduler = new VirtualScheduler(1);
  const bucket = new VirtualBucket(scheduler.random.fork('bucket'));
  const start = (digit: string, takesStore = false) => {
    const process = new VirtualProcess(scheduler, `log-${digit}`);
    const { clock, timers } = process;
    const lost: LokiError[] = [];
    const owning = scheduler.settle(
      ownStore({
        objectStore: bucket.client(process),
        clock,
        timers,
        logger: silent,
        logId: digit.repeat(32),
        place: `host-${digit}:/data`,
        storeWords: '/data/chunks',
        takesStore,
        onLost: (error) => void lost.push(error),
      }),
    );
    return { owning, lost };
  };
  const pass = (ms: number) => scheduler.run({ untilMs: scheduler.nowMs + ms });
  const mark = new OwnerMark(bucket.client(new VirtualProcess(scheduler, 'lokictl')));
  return { scheduler, bucket, start, pass, mark };
}

test('a second log is refused, the first one starts again and again', async () => {
  const { start, pass } = newWorld();
  const first = start('a');
  await first.owning;
  await expect(start('b').owning).rejects.toThrow('belongs to the write log aaaa');
  (await start('a').owning).stop();
  await pass(100_000);
  expect(first.lost).toEqual([]);
});

test('a mark that was moved ends the log that had it, within 15 s, and lets the other one start', async () => {
  const { start, pass, mark, scheduler } = newWorld();
  const first = start('a');
  await first.owning;
  await scheduler.settle(mark.move({ logId: 'b'.repeat(32), place: 'lokictl', sinceMs: 0 }));
  await start('b').owning;
  await pass(16_000);
  expect(first.lost.map(String)).toEqual([expect.stringContaining('belongs to the write log bbbb')]);
  await pass(100_000);
  expect(first.lost).toHaveLength(1);
});

test('take_store moves the mark to the new log', async () => {
  const { start, pass } = newWorld();
  const first = start('a');
  await first.owning;
  await start('b', true).owning;
  await pass(16_000);
  expect(first.lost).toHaveLength(1);
});

test('a store that is away for a while proves nothing', async () => {
  const { start, pass, bucket } = newWorld();
  const first = start('a');
  await first.owning;
  bucket.faults.down = true;
  await pass(60_000);
  bucket.faults.down = false;
  await pass(60_000);
  expect(first.lost).toEqual([]);
});
