/** Protects a tenant's limit of streams over all distributors, and pushes while no process counts for all. */
import fc from 'fast-check';
import { loadHash, parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { StreamClaim, StreamLimitService } from '@loki/ports';
import { NodeTimers } from '@loki/runtime';
import { resolveStream } from '../streams/resolve-stream.ts';
import type { ResolvedStream } from '../streams/resolve-stream.ts';
import {
  defaultLimits,
  quietLogger,
  StoppedClock,
  storedEntries,
  testDistributor,
} from '../test/distributor.ts';
import { StreamLimitClaims } from './stream-limit-claims.ts';
import type { StreamLimitOwner, StreamLimitOwners } from './stream-limit-claims.ts';
import { StreamRegistry } from './stream-registry.ts';

const tenant = parseTenantId('t');
beforeAll(loadHash);

/** Counts as the leader of the tenant's partition does. */
class Counts implements StreamLimitService {
  readonly streams = new Set<number>();
  calls = 0;
  isAway = false;

  async claim(claims: readonly StreamClaim[]): Promise<readonly Uint8Array[]> {
    this.calls++;
    if (this.isAway) throw new Error('nobody answers');
    return claims.map(({ activeMax, activeStreams: held, newStreams: wanted }) => {
      for (const stream of held) this.streams.add(stream);
      return Uint8Array.from(wanted, (stream) => {
        if (this.streams.has(stream)) return 1;
        if (this.streams.size >= activeMax) return 0;
        this.streams.add(stream);
        return 1;
      });
    });
  }
}

class Limiters implements StreamLimitOwners {
  limiter: StreamLimitOwner | undefined;
  shares = 1;
  ownerOf(_tenant: TenantId): StreamLimitOwner | undefined {
    return this.limiter;
  }
  ingesterShares(): number {
    return this.shares;
  }
}

function world(distributors: number, limit: number) {
  const counts = new Counts();
  const limiters = new Limiters();
  limiters.limiter = { id: 'a 1', service: counts };
  const clock = new StoppedClock(1_000_000);
  const limits = { ...defaultLimits, maxGlobalStreamsPerUser: limit };
  const options = { streamIdleMs: 60_000, chunkAgeMaxMs: 7_200_000, refusedNamedMax: 2 };
  const registries = Array.from({ length: distributors }, () => {
    const claims = new StreamLimitClaims({
      owners: limiters,
      clock,
      timers: new NodeTimers(),
      logger: quietLogger,
    });
    return new StreamRegistry(options, 1, {
      claims,
      counters: limiters,
      healthyDistributors: () => distributors,
    });
  });
  const stream = (name: string): ResolvedStream => resolveStream(tenant, `{app="${name}"}`, limits);
  /** Pushes one row of each stream to a distributor; which were admitted. */
  const push = async (at: number, names: readonly string[]): Promise<boolean[]> => {
    const streams = names.map(stream);
    await registries[at].prepare(tenant, streams, limits, clock.ms);
    return streams.map((each) => {
      const rows = { count: 1, seconds: () => 1_000, nanos: () => 0, lineBytes: () => 1, refuse: () => {} };
      return registries[at].admit(tenant, each, rows, limits, clock.ms) === undefined;
    });
  };
  return { counts, limiters, clock, registries, push, limits };
}

test('however pushes are spread over distributors, exactly the first streams up to the limit are admitted', async () => {
  const names = fc.array(fc.integer({ min: 0, max: 30 }).map(String), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.tuple(fc.nat(3), names), { maxLength: 25 }),
      async (limit, distributors, pushes) => {
        const { push, counts } = world(distributors, limit);
        const active = new Set<string>();
        for (const [at, streams] of pushes) {
          const expected = streams.map(
            (name) => active.has(name) || (active.size < limit && !!active.add(name)),
          );
          expect(await push(at % distributors, streams)).toEqual(expected);
        }
        expect(counts.streams.size).toBe(active.size);
      },
    ),
    { numRuns: 60 },
  );
});

test('pushes at the same time share a question, and the limit holds between them', async () => {
  const { push, counts } = world(3, 50);
  const admitted = await Promise.all(
    Array.from({ length: 90 }, (_, i) => push(i % 3, [`s${i}`]).then(([isAdmitted]) => isAdmitted)),
  );
  expect(admitted.filter(Boolean)).toHaveLength(50);
  expect(counts.calls).toBeLessThanOrEqual(6);
  // Known streams are not claimed again.
  const { calls } = counts;
  await Promise.all(Array.from({ length: 90 }, (_, i) => push(i % 3, [`s${i}`])));
  expect(counts.calls).toBe(calls);
});

test('a refused stream is asked about again after a second, and comes to be when there is room', async () => {
  const { push, counts, clock } = world(2, 1);
  expect(await push(0, ['a'])).toEqual([true]);
  expect(await push(1, ['b'])).toEqual([false]);
  counts.streams.clear();
  expect(await push(1, ['b'])).toEqual([false]);
  clock.ms += 1_001;
  expect(await push(1, ['b'])).toEqual([true]);
});

test('with nobody to ask a distributor admits its share; known streams go on; whoever counts next hears of all', async () => {
  const { push, counts, clock, limiters } = world(2, 10);
  expect(await push(0, ['a', 'b'])).toEqual([true, true]);
  counts.isAway = true;
  const names = Array.from({ length: 8 }, (_, i) => `n${i}`);
  // Half of ten, less the two that it has.
  expect(await push(0, names)).toEqual([true, true, true, false, false, false, false, false]);
  const { calls } = counts;
  expect(await push(0, ['x', 'a', 'n0'])).toEqual([false, true, true]);
  expect(counts.calls).toBe(calls); // left alone for two seconds
  // Another process leads, and knows nothing.
  const next = new Counts();
  limiters.limiter = { id: 'b 1', service: next };
  expect(await push(0, ['x'])).toEqual([true]);
  expect(next.streams.size).toBe(6);
  // The first counter is back with its old state, and receives all streams.
  clock.ms += 2_001;
  counts.isAway = false;
  limiters.limiter = { id: 'a 1', service: counts };
  expect(await push(0, ['y'])).toEqual([true]);
  expect(counts.streams.size).toBe(7);
});

test('streams in use are told again before they would be forgotten', async () => {
  const { push, counts, clock } = world(1, 10);
  await push(0, ['a', 'b']);
  for (let i = 0; i < 8; i++) {
    counts.streams.clear();
    clock.ms += 5_000;
    await push(0, ['a']);
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  clock.ms += 16_000;
  counts.streams.clear();
  await push(0, ['a']);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(counts.streams.size).toBe(1);
});

test('the limit of one ingester is as many times as large as there are ingesters for each replica', async () => {
  const { push, limiters, limits } = world(1, 0);
  Object.assign(limits, { maxStreamsPerUser: 3 });
  limiters.shares = 5 / 3;
  expect(await push(0, ['a', 'b', 'c', 'd', 'e', 'f'])).toEqual([true, true, true, true, true, false]);
});

test('a push with a stream too many: the others are stored, 429 in Loki’s words, and counted', async () => {
  const counts = new Counts();
  const limiters = new Limiters();
  limiters.limiter = { id: 'a 1', service: counts };
  const limits = { ...defaultLimits, maxGlobalStreamsPerUser: 2 };
  const { push, log, metrics } = testDistributor({
    limits: () => limits,
    deps: { streamLimitOwners: limiters },
  });
  const ns = `${Date.UTC(2026, 0, 15, 12, 30)}000000`;
  const bodyOf = (...names: string[]) =>
    Buffer.from(
      JSON.stringify({
        streams: names.map((app) => ({ stream: { app }, values: [[ns, `line of ${app}`]] })),
      }),
    );
  const both = await Promise.all([push('t', { body: bodyOf('a') }), push('t', { body: bodyOf('b') })]);
  expect(both.map(({ status }) => status)).toEqual([204, 204]);
  const answer = await push('t', { body: bodyOf('a', 'c', 'b') });
  expect(answer.status).toBe(429);
  expect(answer.body).toBe(
    `maximum active stream limit exceeded when trying to create stream {app="c", service_name="c"}, reduce the number of active streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: 't'\n`,
  );
  expect(
    storedEntries(log)
      .map(({ line }) => line)
      .sort((a, b) => (a < b ? -1 : 1)),
  ).toEqual(['line of a', 'line of a', 'line of b', 'line of b']);
  expect(await metrics.text()).toMatch(/loki_discarded_samples_total\{.*reason="stream_limit".*\} 1/);
  expect(counts.streams.size).toBe(2);
});
