/**
 * Protects: plans cost next to nothing where there is little to read, and no plan depends on the patience of
 * another client.
 */
import { LokiError } from '@loki/model';
import type { StoredBytesRequest, StreamsRequest } from '@loki/ports';
import { tenancyOf } from '../test/gateway.ts';
import { Weights, WeightSource } from './weights.ts';

const hour = 3_600_000_000_000n;
const [tenant] = tenancyOf('a').ids;
const request = { tenant, selector: '{a="b"}', startNs: hour / 2n, endNs: 3n * hour - 1n };
const { signal } = new AbortController();

function source(streamBytes: readonly number[] = []) {
  const requests: (StoredBytesRequest | StreamsRequest)[] = [];
  const state = { nowMs: 0, answer: () => Promise.resolve([100, 200, 300]) };
  const weights = new WeightSource(
    {
      storedBytes: (each) => {
        requests.push(each);
        return state.answer();
      },
      streams: (each) => {
        requests.push(each);
        return Promise.resolve(streamBytes.map((lineBytes) => ({ labels: [], entries: 1, lineBytes })));
      },
    },
    { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => state.nowMs },
  );
  return { weights, requests, state };
}

test('bytes between two times are shares of the intervals', () => {
  const weights = new Weights(10n, 10n, [10, 20, 30]);
  expect(weights.total).toBe(60);
  expect([weights.between(0n, 100n), weights.between(15n, 30n), weights.between(40n, 50n)]).toEqual([
    60, 25, 0,
  ]);
  expect(weights.scaledTo(6).bytes).toEqual([1, 2, 3]);
});

test('where there is little, only the catalog is asked, for whole hours, and once for some seconds', async () => {
  const { weights, requests, state } = source();
  for (let i = 0; i < 3; i++) expect((await weights.of(request, 600, signal)).total).toBe(600);
  expect(requests).toEqual([{ tenant, startNs: 0n, endNs: 3n * hour, intervalNs: hour }]);
  state.nowMs = 15_001;
  await weights.of(request, 600, signal);
  expect(requests).toHaveLength(2);
});

test('where there is more, streams tell how much of it is selected', async () => {
  const { weights, requests } = source([40, 20]);
  const selected = await weights.of(request, 599, signal);
  expect(selected.bytes.map(Math.round)).toEqual([10, 20, 30]);
  expect(requests[1]).toEqual({ tenant, selector: '{a="b"}', startNs: 0n, endNs: 3n * hour });
});

test('who waits for a question of somebody who went away asks it again', async () => {
  const { weights, state } = source();
  const cancelled = Promise.withResolvers<number[]>();
  state.answer = () => cancelled.promise;
  const first = weights.of(request, 1e9, signal);
  const second = weights.of(request, 1e9, signal);
  state.answer = () => Promise.resolve([1]);
  cancelled.reject(new LokiError('clientGone', 'gone'));
  await expect(first).rejects.toThrow('gone');
  expect((await second).total).toBe(1);
});

test('a long time has longer intervals', async () => {
  const { weights, requests } = source();
  await weights.of({ ...request, startNs: 0n, endNs: 24n * 365n * 3n * hour }, 1e9, signal);
  const { intervalNs, startNs, endNs } = requests[0] as StoredBytesRequest;
  expect((endNs - startNs) / intervalNs).toBeLessThanOrEqual(1001n);
});
