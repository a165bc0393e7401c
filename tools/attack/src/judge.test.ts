/** Protects the suite from passing by itself: each part of the invariant can fail. */
import { judge } from './judge.ts';
import type { Observed } from './judge.ts';

const invariant = { p99MsMax: 250, mostMsMax: 1000, memoryBytesMax: 2 ** 20, statuses: [200, 503] };
const quiet = Array.from({ length: 200 }, () => 3);
const good: Observed = {
  probes: { ready: quiet, push: quiet, query: quiet },
  memoryBytes: 2 ** 19,
  isAlive: true,
  statuses: new Map([[503, 10]]),
};

test('a process that goes on as before has no fault', () => {
  expect(judge(good, invariant)).toEqual([]);
});

test.each([
  [{ isAlive: false }, 'the process ended'],
  [{ memoryBytes: 3 * 2 ** 20 }, 'memory reached 3 MiB of 1 MiB'],
  [{ statuses: new Map([[500, 2]]) }, '2 answers had the status 500'],
  [{ probes: { ...good.probes, push: [...quiet, Number.NaN] } }, '1 of 201 requests of push failed'],
  [{ probes: { ...good.probes, ready: [] } }, 'no request of ready was answered'],
  [{ probes: { ...good.probes, query: [...quiet, 1500] } }, 'query took 1500 ms (most)'],
  [{ probes: { ...good.probes, query: [...quiet, 300, 300, 300] } }, 'query took 300 ms (p99)'],
])('%j is told as: %s', (change: Partial<Observed>, fault) => {
  expect(judge({ ...good, ...change }, invariant)).toEqual([fault]);
});
