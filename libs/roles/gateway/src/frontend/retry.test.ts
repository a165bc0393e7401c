/** Protects: failures that another querier may not have are retried with pauses, others are not. */
import { LokiError } from '@loki/model';
import type { ErrorCode } from '@loki/model';
import { retried } from './retry.ts';

function attempts(codes: readonly ErrorCode[], retriesMax = 5) {
  const pauses: number[] = [];
  let count = 0;
  let reported: number | undefined;
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
    {
      retriesMax,
      timers,
      random: { float: () => 0.5 },
      signal: new AbortController().signal,
      onOver: (retries) => (reported = retries),
    },
  );
  return { result, pauses, count: () => count, told: () => reported };
}

describe('a part that could not be answered', () => {
  test('is asked again after pauses that double up to five seconds, half of them random', async () => {
    const run = attempts(
      ['unavailable', 'overloaded', 'corrupt', 'unavailable', 'unavailable', 'unavailable'],
      6,
    );
    expect(await run.result).toBe('answer');
    expect(run.pauses).toEqual([250, 500, 1000, 2000, 4000, 5000].map((ms) => 0.75 * ms));
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
