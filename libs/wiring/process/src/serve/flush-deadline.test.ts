/** Protects operators from a flush that never answers, which a store that is away made of it. */
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { withinDeadline } from './flush-deadline.ts';

const never = new AbortController().signal;

test('a flush that hangs ends with a time-out, and is told to stop', async () => {
  const scheduler = new VirtualScheduler(1);
  const { timers } = new VirtualProcess(scheduler, 'process');
  let given: AbortSignal | undefined;
  const flush = (signal: AbortSignal) => {
    given = signal;
    return new Promise<void>(() => undefined);
  };
  await expect(scheduler.settle(withinDeadline(flush, never, timers))).rejects.toMatchObject({
    code: 'timeout',
  });
  expect(scheduler.nowMs).toBe(60_000);
  expect(given?.aborted).toBe(true);
});

test('one that is done, or fails, answers as it did', async () => {
  const scheduler = new VirtualScheduler(1);
  const { timers } = new VirtualProcess(scheduler, 'process');
  await scheduler.settle(withinDeadline(async () => undefined, never, timers));
  const failing = () => Promise.reject(new Error('no'));
  await expect(scheduler.settle(withinDeadline(failing, never, timers))).rejects.toThrow('no');
});
