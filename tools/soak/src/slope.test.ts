/**
 * Protects the verdict of a soak: a leak that hides in the noise of a collector is found, and noise alone is
 * none.
 */
import { trendOf } from './slope.ts';

const allowance = { fromSeconds: 300, windowSeconds: 60, of: 'low', share: 0.1, extra: 8 } as const;

/** 30 minutes, a sample every 5 s, of a heap that saws between 100 and 160 and peaks now and then. */
function heap(leakPerMinute: number) {
  const seconds = Array.from({ length: 360 }, (_, i) => i * 5);
  const values = seconds.map((at, i) => {
    const peak = i % 97 === 0 ? 300 : 0;
    return 100 + ((i * 37) % 60) + peak + (at / 60) * leakPerMinute + Math.max(0, 200 - at);
  });
  return { name: 'heap', unit: 'MiB', seconds, values };
}

test('a heap that saws, peaks and warms up is flat', () => {
  const trend = trendOf(heap(0), allowance);
  expect(trend.isFlat).toBe(true);
  expect(Math.abs(trend.growth)).toBeLessThan(5);
});

test('a leak of one megabyte in a minute is found', () => {
  const trend = trendOf(heap(1), allowance);
  expect(trend.isFlat).toBe(false);
  expect(trend.growth).toBeGreaterThan(18);
  expect(trend.growth).toBeLessThan(30);
});

test('one window of peaks is no trend, and a step that stays is one', () => {
  const { seconds, values, ...rest } = heap(0);
  const peaks = values.map((value, i) => (seconds[i] >= 1_200 && seconds[i] < 1_380 ? value * 4 : value));
  expect(trendOf({ ...rest, seconds, values: peaks }, allowance).isFlat).toBe(true);
  const step = values.map((value, i) => (seconds[i] >= 1_000 ? value + 60 : value));
  expect(trendOf({ ...rest, seconds, values: step }, allowance).isFlat).toBe(false);
});

test('a run that is too short proves nothing', () => {
  const { seconds, values, ...rest } = heap(0);
  const short = { ...rest, seconds: seconds.slice(0, 100), values: values.slice(0, 100) };
  expect(trendOf(short, allowance).isFlat).toBe(false);
});

test('a level that falls is flat', () => {
  expect(trendOf(heap(-1), allowance).isFlat).toBe(true);
});
