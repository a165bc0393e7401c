/**
 * Protects: how a query was cut, by time and by stream, and what was kept of earlier ones, must not show in
 * its answer: not with entries that come late, nor after a flush, nor after a delete.
 */
import fc from 'fast-check';
import { HiddenRows } from '@loki/catalog';
import type { DeleteRequests } from '@loki/catalog';
import type { Limits } from '@loki/config';
import type { QueryParams } from '@loki/engine';
import { parseExpr } from '@loki/logql';
import type { Clock, LeafDelete, ResultsKind } from '@loki/ports';
import type { Answer } from '../frontend/frontend-options.ts';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import { storeTenant, TestCache, TestStore } from './store.ts';
import type { StoreRow } from './store.ts';

const second = 1_000_000_000n;
const t0 = 1_700_000_000n * second;

const nowNs = t0 + 10_000n * second;
const clock: Clock = {
  nowNs: () => nowNs,
  nowMs: () => Number(nowNs / 1_000_000n),
  // Weights are remembered by this: each query is to see the store as it is.
  monotonicMs: () => (monotonicMs += 60_000),
};
let monotonicMs = 0;

const queries = [
  '{app=~"a.*"}',
  '{app="a1"} |= "v=1"',
  '{pod=~"p[12]"} | logfmt | v > 30',
  '{app=~".+"} |= "not there"',
  'sum by (app) (count_over_time({app=~"a.*"}[40s]))',
  'count_over_time({app=~"a.*"}[10s] offset 20s)',
  'sum(bytes_over_time({app=~"a.*"} |= "v=2" [100s]))',
  'max by (pod) (max_over_time({app=~"a.*"} | logfmt | unwrap v [30s]))',
  'avg_over_time({app=~"a.*"} | logfmt | unwrap v [70s]) by (app)',
  'stddev_over_time({app=~"a.*"} | logfmt | unwrap v [70s]) by (app)',
  'quantile_over_time(0.3, {app=~"a.*"} | logfmt | unwrap v [70s]) by (app)',
  'first_over_time({app=~"a.*"} | logfmt | unwrap v [30s]) by (pod)',
  'last_over_time({app=~"a.*"} | logfmt | unwrap v [90s]) by (pod)',
  'rate_counter({app=~"a.*"} | logfmt | unwrap v [90s])',
  'absent_over_time({app="a1"} |= "v=7" [20s])',
  'topk(2, sum by (pod) (rate({app=~"a.*"}[60s])))',
  'sum(rate({app="a1"}[60s])) / sum(rate({app=~"a.*"}[60s]))',
  'count_over_time({app=~"a.*"} | line_format "{{ now | unixEpoch }}" |~ "[02468]$" [60s])',
];

const rowArbitrary = fc.record({
  stream: fc.integer({ min: 0, max: 5 }),
  // Some entries stand on the borders of steps and intervals.
  ts: fc.oneof(
    fc.integer({ min: 0, max: 400_000 }).map((ms) => t0 + BigInt(ms) * 1_000_000n),
    fc.integer({ min: 0, max: 40 }).map((k) => t0 + BigInt(k) * 10n * second),
  ),
  v: fc.integer({ min: 0, max: 63 }),
});

const rowsArbitrary = fc
  .uniqueArray(rowArbitrary, { selector: ({ stream, ts }) => `${stream}/${ts}`, maxLength: 60 })
  .map((rows): StoreRow[] => rows.map(({ stream, ts, v }) => ({ stream, ts, line: `v=${v}` })));

interface AskedQuery {
  readonly query: string;
  readonly startS: number;
  readonly lengthS: number;
  readonly stepS: number;
  readonly isInstant: boolean;
  readonly direction: 'forward' | 'backward';
  readonly limit: number;
}

const queryArbitrary: fc.Arbitrary<AskedQuery> = fc.record({
  query: fc.constantFrom(...queries),
  startS: fc.integer({ min: 0, max: 300 }),
  lengthS: fc.integer({ min: 1, max: 400 }),
  stepS: fc.constantFrom(1, 5, 10, 30, 60, 100),
  isInstant: fc.boolean(),
  direction: fc.constantFrom('forward' as const, 'backward' as const),
  limit: fc.constantFrom(1, 5, 1000),
});

type Op =
  | { readonly kind: 'append'; readonly rows: readonly StoreRow[] }
  | { readonly kind: 'flush'; readonly partition: number }
  | { readonly kind: 'delete'; readonly fromS: number; readonly lengthS: number }
  | { readonly kind: 'query'; readonly query: AskedQuery };

const opArbitrary: fc.Arbitrary<Op> = fc.oneof(
  { weight: 2, arbitrary: rowsArbitrary.map((rows): Op => ({ kind: 'append', rows })) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 0, max: 1 }).map((partition): Op => ({ kind: 'flush', partition })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ fromS: fc.integer({ min: 0, max: 400 }), lengthS: fc.integer({ min: 1, max: 50 }) })
      .map((each): Op => ({ kind: 'delete', ...each })),
  },
  { weight: 6, arbitrary: queryArbitrary.map((asked): Op => ({ kind: 'query', query: asked })) },
);

function paramsOf({ query, ...fields }: AskedQuery): QueryParams {
  const isInstant = fields.isInstant && !query.startsWith('{');
  const startNs = t0 + BigInt(fields.startS) * second;
  return {
    tenant: storeTenant,
    startNs,
    endNs: isInstant ? startNs : startNs + BigInt(fields.lengthS) * second,
    stepNs: isInstant ? 0n : BigInt(fields.stepS) * second,
    isInstant,
    direction: fields.direction,
    limit: fields.limit,
    intervalNs: 0n,
    seriesMax: 0,
  };
}

const rounded = (value: number): number | string =>
  Number.isFinite(value) ? Number(value.toPrecision(9)) : String(value);

function plain({ result }: Answer): unknown {
  switch (result.type) {
    case 'streams': {
      const { rows } = result;
      const lines = Buffer.from(rows.lines);
      return [...rows.timestampNs].map((ts, i) => {
        const { stream, parsed } = rows.labelSets[rows.labelSet[i]];
        const line = lines.toString('utf8', i === 0 ? 0 : rows.lineEnds[i - 1], rows.lineEnds[i]);
        return [String(ts - t0), stream, parsed, line];
      });
    }
    case 'matrix':
      return result.series.map(({ labels, values, present }) => [
        labels,
        Array.from(values, (value, k) => (present[k] === 1 ? rounded(value) : '-')),
      ]);
    case 'vector':
      return result.samples.map(({ labels, value }) => [labels, rounded(value)]);
    case 'scalar':
      return result.value;
  }
}

const kinds: readonly ResultsKind[] = ['results', 'instant', 'labels', 'series', 'stats', 'volume'];

/** As the frontend of a process has it, but for the sizes at which things are cut. */
const small: Partial<Limits> = {
  splitQueriesByIntervalMs: 30_000,
  splitInstantMetricQueriesByIntervalMs: 20_000,
  tsdbMaxBytesPerShard: 1,
  tsdbMaxQueryParallelism: 4,
  maxQueryParallelism: 3,
  shardAggregations: ['quantile_over_time', 'first_over_time', 'last_over_time'],
};

class World {
  readonly store = new TestStore();
  readonly cache = new TestCache();
  readonly #deletes: LeafDelete[] = [];
  readonly frontends: Record<string, QueryFrontend>;

  constructor() {
    const requests = {
      active: (_: string, startNs: bigint, endNs: bigint) =>
        this.#deletes.filter((each) => each.startNs < endNs && each.endNs > startNs),
      state: { generation: () => 0 },
      current: () => Promise.resolve(),
    } as unknown as DeleteRequests;
    const hidden = new HiddenRows({ clock, requests });
    const caches = {
      byKind: new Map(kinds.map((kind) => [kind, this.cache])),
      generation: () => 0,
      clock,
    };
    const plainQuerier = this.store.querier(undefined, hidden);
    const cachedQuerier = this.store.querier(caches, hidden);
    const cached = new Set(kinds);
    const limits = { ...small, maxCacheFreshnessMs: 0 };
    const whole = { ...limits, tsdbMaxBytesPerShard: 1e9 };
    this.frontends = {
      plain: this.store.frontend(plainQuerier, clock, { limits: { ...whole, splitQueriesByIntervalMs: 0 } }),
      cut: this.store.frontend(plainQuerier, clock, { limits }),
      'cut finely': this.store.frontend(plainQuerier, clock, {
        limits: { ...limits, splitIngesterQueriesByIntervalMs: 7_000 },
      }),
      bounded: this.store.frontend(plainQuerier, clock, {
        limits: { ...limits, tsdbShardingStrategy: 'bounded', tsdbMaxBytesPerShard: 4 },
      }),
      cached: this.store.frontend(cachedQuerier, clock, { limits: whole, cached }),
      'cached and cut': this.store.frontend(cachedQuerier, clock, { limits, cached }),
    };
  }

  delete(startNs: bigint, endNs: bigint): void {
    this.#deletes.push({ expr: '{app="a1"}', startNs, endNs });
  }

  async ask(name: string, query: AskedQuery): Promise<{ answer: Answer; plain: unknown }> {
    const tenancy = { ids: [storeTenant], isMulti: false };
    const client = new AbortController().signal;
    const frontend = this.frontends[name];
    const answer = await frontend.query(tenancy, parseExpr(query.query), paramsOf(query), { client });
    return { answer, plain: plain(answer) };
  }

  stop(): void {
    for (const frontend of Object.values(this.frontends)) frontend.stop();
  }
}

test('whole, cut by time and stream, and from a cache: the same answer', async () => {
  const counts = { split: 0, sharded: 0, hits: 0, stored: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(opArbitrary, { minLength: 6, maxLength: 25 }), async (ops) => {
      const world = new World();
      await world.store.catalog.refresh();
      try {
        for (const op of ops) {
          if (op.kind === 'append') world.store.append(op.rows);
          else if (op.kind === 'flush') {
            await world.store.flush(op.partition);
            await world.store.catalog.refresh();
          } else if (op.kind === 'delete') {
            const startNs = t0 + BigInt(op.fromS) * second;
            world.delete(startNs, startNs + BigInt(op.lengthS) * second);
          } else {
            const expected = await world.ask('plain', op.query);
            for (const name of ['cut', 'bounded', 'cached', 'cached', 'cached and cut', 'cached and cut']) {
              const result = await world.ask(name, op.query);
              expect({ name, answer: result.plain }).toEqual({ name, answer: expected.plain });
              if (result.answer.splits > 1) counts.split++;
              if (result.answer.isSharded) counts.sharded++;
              counts.hits += result.answer.stats.cacheEntriesFound;
              counts.stored += result.answer.stats.cacheEntriesStored;
            }
          }
        }
      } finally {
        world.stop();
      }
    }),
    { numRuns: 60 },
  );
  // It was worth something: all of this did happen.
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(20);
});
