/**
 * Protects: limits are kept in Loki's words, caches are used for old enough intervals only, and a query reads
 * no further than it has to.
 */
import type { Limits } from '@loki/config';
import { parseExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type {
  LeafRequest,
  LogLeafResult,
  QuerierService,
  StoredBytesRequest,
  StreamVolume,
} from '@loki/ports';
import {
  clock,
  limitsDefault,
  logger,
  logResult,
  nowNs,
  random,
  tenancyOf,
  testFrontend,
  TestQuerier,
  timers,
} from '../test/gateway.ts';
import type { QueryOptions } from './frontend-options.ts';
import { QueryFrontend } from './query-frontend.ts';

const hour = 3_600_000_000_000n;
const endNs = nowNs - (nowNs % hour);

function params(startNs: bigint, untilNs: bigint, limit = 100) {
  const [tenant] = tenancyOf('a').ids;
  return {
    tenant,
    startNs,
    endNs: untilNs,
    stepNs: 0n,
    isInstant: false,
    direction: 'backward' as const,
    limit,
    intervalNs: 0n,
    seriesMax: 0,
  };
}

function ask(
  frontend: QueryFrontend,
  query: string,
  queryParams = params(endNs - 5n * hour, endNs),
  options: Partial<QueryOptions> = {},
) {
  const client = new AbortController().signal;
  return frontend.query(tenancyOf('a'), parseExpr(query), queryParams, { client, ...options });
}

class Sized extends TestQuerier {
  bytesPerHour = 0;

  override async streams(): Promise<readonly StreamVolume[]> {
    return Promise.resolve([{ labels: [], entries: 1, lineBytes: this.bytesPerHour * 5 }]);
  }

  override async storedBytes({ startNs, endNs: untilNs, intervalNs }: StoredBytesRequest) {
    return Promise.resolve(
      Array.from({ length: Number((untilNs - startNs) / intervalNs) }, () => this.bytesPerHour),
    );
  }
}

describe('limits', () => {
  test('a query may not read more than max_query_bytes_read', async () => {
    const querier = new Sized();
    querier.bytesPerHour = 400_000_000;
    const frontend = testFrontend(querier, { maxQueryBytesRead: 1_000_000_000 });
    await expect(ask(frontend, '{a="b"}')).rejects.toThrow(
      'the query would read too many bytes (query: 2.0GB, limit: 1.0GB); consider adding more specific stream selectors or reduce the time range of the query',
    );
    querier.bytesPerHour = 100_000_000;
    frontend.stop();
    const lighter = testFrontend(querier, { maxQueryBytesRead: 1_000_000_000 });
    await ask(lighter, '{a="b"}');
    lighter.stop();
  });

  test('no part may read more than max_querier_bytes_read', async () => {
    const querier = new Sized();
    querier.bytesPerHour = 1e12;
    const few = { maxQuerierBytesRead: 150e9, tsdbMaxQueryParallelism: 4 };
    for (const [isSharding, text] of [
      [false, 'un-shardable query too large to execute on a single querier: (query: 1.0TB, limit: 150GB)'],
      [true, 'shard query is too large to execute on a single querier: (query: 250GB, limit: 150GB)'],
    ] as const) {
      const all = { ...limitsDefault, ...few };
      const frontend = new QueryFrontend(
        { querier, limits: { forTenant: () => all }, clock, timers, random, logger },
        { maxConcurrent: 1, maxOutstandingPerTenant: 10, isSharding },
      );
      frontend.start();
      await expect(ask(frontend, '{a="b"}')).rejects.toThrow(text);
      frontend.stop();
    }
  });

  test('a tenant whose parallelism is 0 may not query', async () => {
    const frontend = testFrontend(new TestQuerier(), { maxQueryParallelism: 0 });
    const failure = await ask(frontend, '{a="b"}').catch((error: unknown) => error);
    expect(failure).toMatchObject({
      status: 429,
      message: 'querying is disabled, please contact your Loki operator',
    });
    frontend.stop();
  });
});

describe('log lines over much', () => {
  function world(
    limits: Partial<Limits>,
    answer: (request: LeafRequest) => LogLeafResult | Promise<LogLeafResult>,
  ) {
    const querier = new Sized();
    querier.bytesPerHour = 1e9;
    const requests: LeafRequest[] = [];
    const heads = { asked: 0, bounds: [{ partition: 0, committedOffset: 7, oldestNs: endNs }] };
    const service: QuerierService = {
      heads: async () => {
        heads.asked++;
        return heads.bounds;
      },
      runLeaf: async (request) => {
        requests.push(request);
        return answer(request);
      },
      streams: () => querier.streams(),
      storedBytes: (request) => querier.storedBytes(request),
      tail: () => querier.tail(),
    };
    const all = { ...limitsDefault, ...limits };
    const frontend = new QueryFrontend(
      { querier: service, limits: { forTenant: () => all }, clock, timers, random, logger },
      { maxConcurrent: 100, maxOutstandingPerTenant: 100, isSharding: false },
    );
    frontend.start();
    return { frontend, requests, heads };
  }

  const rowAtEnd = (request: LeafRequest) =>
    logResult([{ ts: request.endNs - 1n, line: 'x', stream: { a: 'b' } }]);
  const fromHours = (requests: readonly LeafRequest[]) =>
    requests.map(({ startNs }) => Number((startNs - endNs) / hour));

  test('a plain selection is read stretch by stretch, and no further than there are enough lines', async () => {
    const { frontend, requests } = world({}, rowAtEnd);
    const answer = await ask(frontend, '{a="b"}', params(endNs - 5n * hour, endNs, 2));
    expect(fromHours(requests)).toEqual([-1, -2]);
    expect(answer).toMatchObject({ splits: 5, parts: 2, isSharded: false });
    frontend.stop();
  });

  test('a filter looks at several at once, and gives up the others when there are enough lines', async () => {
    const { frontend, requests } = world({ maxQueryParallelism: 3 }, rowAtEnd);
    const { result } = await ask(frontend, '{a="b"} |= "x"', params(endNs - 5n * hour, endNs, 1));
    expect(fromHours(requests)).toEqual([-1, -2, -3]);
    expect(result.type === 'streams' && result.rows.timestampNs.length).toBe(1);
    frontend.stop();
  });

  test('the bounds of heads are read once, and not for the newest stretch', async () => {
    const { frontend, requests, heads } = world({}, () => logResult([]));
    await ask(frontend, '{a="b"} |= "x"');
    expect(requests.length).toBeGreaterThan(2);
    expect(heads.asked).toBe(1);
    const newest = requests.filter((request) => request.endNs === endNs);
    expect(newest.map((request) => request.heads)).toEqual([undefined]);
    const others = requests.filter((request) => request.endNs !== endNs);
    expect(others.every((request) => request.heads === heads.bounds)).toBe(true);
    await ask(frontend, '{a="b"}', params(endNs - hour, endNs));
    expect(heads.asked).toBe(1);
    frontend.stop();
  });

  test('a question of one part about older lines does not ask heads for lines', async () => {
    const { frontend, requests, heads } = world({}, () => logResult([]));
    const pastNs = endNs - 24n * hour;
    await ask(frontend, '{a="b"}', params(pastNs - hour, pastNs));
    expect([heads.asked, requests.map((request) => request.heads)]).toEqual([1, [heads.bounds]]);
    frontend.stop();
  });

  test('without bounds of heads the parts are requested all the same', async () => {
    const { frontend, requests, heads } = world({}, () => logResult([]));
    heads.bounds = [];
    await ask(frontend, '{a="b"} |= "x"');
    expect(requests.length).toBeGreaterThan(2);
    expect(requests.every((request) => request.heads === undefined)).toBe(true);
    frontend.stop();
  });

  test('a stretch that fails fails the query, but not when it comes after enough lines', async () => {
    const failing = (request: LeafRequest) => {
      if (request.startNs === endNs - 2n * hour) throw new LokiError('badRequest', 'no');
      return rowAtEnd(request);
    };
    const { frontend } = world({}, failing);
    await expect(ask(frontend, '{a="b"} |= "x"')).rejects.toThrow('no');
    await ask(frontend, '{a="b"} |= "x"', params(endNs - 5n * hour, endNs, 1));
    frontend.stop();
  });

  test('a part whose querier is lost is repeated', async () => {
    let losses = 3;
    const { frontend, requests } = world({}, (request) => {
      if (losses-- > 0) throw new LokiError('unavailable', 'the querier is gone');
      return rowAtEnd(request);
    });
    await ask(frontend, '{a="b"}', params(endNs - hour, endNs));
    expect(requests).toHaveLength(4);
    frontend.stop();
  });
});

describe('caches', () => {
  function frontendWith(kinds: readonly ('results' | 'instant' | 'labels')[], querier: QuerierService) {
    const frontend = new QueryFrontend(
      { querier, limits: { forTenant: () => limitsDefault }, clock, timers, random, logger },
      { maxConcurrent: 1, maxOutstandingPerTenant: 10, cached: new Set(kinds) },
    );
    frontend.start();
    return frontend;
  }

  test('a leaf may be answered from the cache of its kind, but for what is younger than max_cache_freshness_per_query', async () => {
    const querier = new TestQuerier();
    const frontend = frontendWith(['results'], querier);
    await ask(frontend, '{a="b"}');
    expect(querier.requests[0].cache).toEqual({
      kind: 'results',
      splitNs: hour,
      newestNs: nowNs - hour / 6n,
    });
    frontend.stop();
  });

  test('nothing comes from a cache when the client says so, or when there is none of the kind', async () => {
    const querier = new TestQuerier();
    const [cached, other] = [
      frontendWith(['results'], querier),
      frontendWith(['instant', 'labels'], querier),
    ];
    await ask(cached, '{a="b"}', undefined, { noCache: true });
    await ask(other, '{a="b"}');
    expect(querier.requests.map(({ cache }) => cache)).toEqual([undefined, undefined]);
    cached.stop();
    other.stop();
  });

  test('labels have an interval and an age of their own', () => {
    const frontend = frontendWith(['labels'], new TestQuerier());
    expect(frontend.cachePolicy('labels', limitsDefault)).toEqual({
      kind: 'labels',
      splitNs: 24n * hour,
      newestNs: nowNs - 24n * hour,
    });
    frontend.stop();
  });
});
