import { LokiError } from '@loki/model';
import type { ErrorCode } from '@loki/model';
import { retried } from './retry.ts';
import { Slots } from './slots.ts';

function attempts(codes: readonly ErrorCode[], retriesMax = 5) {
  const pauses: number[] = [];
  let count = 0;
  let told: number | undefined;
  const timers = {
    after: () => ({ cancel() {} }),
    sleep: (ms: number) => {
      pauses.push(ms);
      return Promise.resolve();
    },
  };
  const result = retried(
    async () => {
      const code = codes[count++];
      if (code) throw new LokiError(code, code);
      return Promise.resolve('answer');
    },
    { retriesMax, timers, signal: new AbortController().signal, onOver: (retries) => (told = retries) },
  );
  return { result, pauses, count: () => count, told: () => told };
}

describe('a part that could not be answered', () => {
  test('is asked again after pauses that double up to five seconds', async () => {
    const run = attempts(
      ['unavailable', 'overloaded', 'corrupt', 'unavailable', 'unavailable', 'unavailable'],
      6,
    );
    expect(await run.result).toBe('answer');
    expect(run.pauses).toEqual([250, 500, 1000, 2000, 4000, 5000]);
    expect(run.told()).toBe(6);
  });

  test('fails after so many retries', async () => {
    const run = attempts(['unavailable', 'unavailable', 'unavailable', 'unavailable'], 2);
    await expect(run.result).rejects.toThrow('unavailable');
    expect(run.count()).toBe(3);
    expect(run.told()).toBe(2);
  });

  test.each(['badRequest', 'tooManyRequests', 'timeout', 'internal', 'clientGone'] as const)(
    'is not asked again after %s',
    async (code) => {
      const run = attempts([code]);
      await expect(run.result).rejects.toThrow(code);
      expect(run.count()).toBe(1);
      expect(run.told()).toBe(0);
    },
  );
});

describe('slots', () => {
  test('so many run at a time, the others in the order of coming; who gives up waiting never runs', async () => {
    const slots = new Slots(2);
    const order: string[] = [];
    const gates = new Map<string, () => void>();
    const { signal } = new AbortController();
    const gone = new AbortController();
    const run = (name: string, by = signal) =>
      slots.run(() => {
        order.push(name);
        return new Promise<void>((resolve) => gates.set(name, resolve));
      }, by);
    const all = [run('a'), run('b')];
    const given = run('c', gone.signal);
    all.push(run('d'));
    gone.abort(new Error('gone'));
    await expect(given).rejects.toThrow('gone');
    await expect(run('e', gone.signal)).rejects.toThrow('gone');
    expect(order).toEqual(['a', 'b']);
    gates.get('b')!();
    await all[1];
    await Promise.resolve();
    expect(order).toEqual(['a', 'b', 'd']);
    gates.get('a')!();
    gates.get('d')!();
    await Promise.all(all);
  });

  test('a failure frees its slot', async () => {
    const slots = new Slots(1);
    const { signal } = new AbortController();
    await expect(slots.run(() => Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
    expect(await slots.run(() => Promise.resolve(1), signal)).toBe(1);
  });
});
