/**
 * Protects: the parts of a request for labels or series cover its whole time, and it is cut only where that
 * is faster.
 */
import fc from 'fast-check';
import type { Limits } from '@loki/config';
import { LokiError } from '@loki/model';
import type { StreamsRequest, StreamVolume } from '@loki/ports';
import { MetadataApi } from '../api/metadata-api.ts';
import {
  clock,
  getRequest,
  limitsDefault,
  logger,
  nowNs,
  tenancyOf,
  testFrontend,
  TestQuerier,
} from '../test/gateway.ts';
import { isCuttable, planStreams, streamBytesPerPart } from './stream-parts.ts';
import { Weights } from './weights.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const hour = 3_600_000_000_000n;
const day = 24n * hour;
const today = nowNs - (nowNs % day);

const limitsOf = (more: Partial<Limits> = {}): Limits => ({ ...limitsDefault, ...more });

function plan(range: { startNs: bigint; endNs: bigint }, more: Partial<Limits> = {}, weights?: Weights) {
  return planStreams(range, limitsOf(more), { nowNs, weights }).map(({ startNs, endNs, splitNs }) => [
    Number((startNs - today) / hour),
    Number((endNs - today) / hour),
    Number(splitNs / hour),
  ]);
}

const range = { startNs: today - 10n * day, endNs: today + day };

test('without a window of its own, recent time is as all other', () => {
  expect(plan(range)).toEqual([[-240, 24, 24]]);
  expect(
    plan(range, { recentMetadataQueryWindowMs: 2 * dayMs, splitRecentMetadataQueriesByIntervalMs: 0 }),
  ).toEqual([[-240, 24, 24]]);
});

test('recent time is asked for by its own interval, from a border that does not move with the clock', () => {
  const window = { recentMetadataQueryWindowMs: 2 * dayMs };
  expect(plan(range, window)).toEqual([
    [-240, -48, 24],
    [-48, 24, 1],
  ]);
  expect(plan({ ...range, startNs: today }, window)).toEqual([[0, 24, 1]]);
  expect(plan({ ...range, endNs: today - 3n * day }, window)).toEqual([[-240, -72, 24]]);
});

test('much is cut at the intervals, little is not', () => {
  const per = (each: number) =>
    new Weights(
      range.startNs,
      day,
      Array.from({ length: 11 }, () => each),
    );
  expect(plan(range, {}, per(streamBytesPerPart / 12))).toEqual([[-240, 24, 24]]);
  expect(plan(range, {}, per(streamBytesPerPart)).map(([from]) => from)).toEqual(
    Array.from({ length: 11 }, (_, i) => -240 + 24 * i),
  );
  expect(plan(range, {}, per(streamBytesPerPart / 4)).map(([from]) => from)).toEqual([-240, -144, -48]);
  expect(plan(range, { splitMetadataQueriesByIntervalMs: 0 }, per(streamBytesPerPart))).toEqual([
    [-240, 24, 0],
  ]);
});

test('parts follow each other without a gap from the beginning to the end', () => {
  fc.assert(
    fc.property(
      fc.record({
        start: fc.integer({ min: -400 * 24, max: 40 }),
        length: fc.integer({ min: 1, max: 400 * 24 }),
        split: fc.constantFrom(0, 1, 24, 30),
        recent: fc.constantFrom(0, 1, 6),
        window: fc.constantFrom(0, 5, 100, 5000),
        bytes: fc.array(fc.double({ min: 0, max: 3 * streamBytesPerPart, noNaN: true }), { maxLength: 40 }),
      }),
      ({ start, length, split, recent, window, bytes }) => {
        const startNs = today + BigInt(start) * hour + 1n;
        const range = { startNs, endNs: startNs + BigInt(length) * hour };
        const parts = planStreams(
          range,
          limitsOf({
            splitMetadataQueriesByIntervalMs: split * hourMs,
            splitRecentMetadataQueriesByIntervalMs: recent * hourMs,
            recentMetadataQueryWindowMs: window * hourMs,
          }),
          { nowNs, weights: new Weights(startNs, day, bytes) },
        );
        expect(parts[0].startNs).toBe(range.startNs);
        expect(parts.at(-1)!.endNs).toBe(range.endNs);
        parts.slice(1).forEach((each, i) => expect(each.startNs).toBe(parts[i].endNs));
        expect(parts.every((each) => each.startNs < each.endNs)).toBe(true);
        expect(parts.length).toBeLessThan(2100);
      },
    ),
  );
});

test('a range within one interval cannot be cut', () => {
  expect(isCuttable({ startNs: 0n, endNs: day, splitNs: day })).toBe(false);
  expect(isCuttable({ startNs: 0n, endNs: day + 1n, splitNs: day })).toBe(true);
  expect(isCuttable({ startNs: 0n, endNs: 9n * day, splitNs: 0n })).toBe(false);
});

describe('labels and series', () => {
  /** Has streams a, b … one for each day before today, and tells how many bytes a day has. */
  class DailyQuerier extends TestQuerier {
    bytesPerDay = 0;
    override async streams(request: StreamsRequest): Promise<readonly StreamVolume[]> {
      this.requests.push(request);
      const matches = Array.from({ length: 11 }, (_, i) => ({
        atNs: today - BigInt(i) * day,
        app: `app${i}`,
      }))
        .filter(({ atNs }) => atNs >= request.startNs && atNs < request.endNs)
        .map(({ app }): StreamVolume => ({ labels: [['app', app]], entries: 1, lineBytes: 1 }));
      return Promise.resolve(matches);
    }
    override async storedBytes({
      startNs,
      endNs,
      intervalNs,
    }: {
      startNs: bigint;
      endNs: bigint;
      intervalNs: bigint;
    }) {
      const count = Number((endNs - startNs) / intervalNs);
      const each = this.bytesPerDay * (Number(intervalNs) / Number(day));
      return Promise.resolve(Array.from({ length: count }, () => each));
    }
  }

  async function ask(bytesPerDay: number, more: Partial<Limits> = {}) {
    const querier = new DailyQuerier();
    querier.bytesPerDay = bytesPerDay;
    const frontend = testFrontend(querier, more, { cached: new Set(['labels', 'series']) });
    const api = new MetadataApi({ frontend, querier, clock, logger, multiTenantQueriesEnabled: false });
    const request = getRequest({ since: '240h' });
    const values = await api.labelValues({ ...request, params: new Map([['name', 'app']]) }, tenancyOf('t'));
    const series = await api.series(getRequest({ since: '240h', match: '{app=~".+"}' }), tenancyOf('t'));
    frontend.stop();
    const parts = querier.requests as StreamsRequest[];
    return {
      values: values.body as string,
      series: JSON.parse(series.body as string) as { data: unknown[] },
      parts,
    };
  }

  test('are the same whole and in parts', async () => {
    const whole = await ask(0);
    expect(whole.parts).toHaveLength(2);
    const cut = await ask(streamBytesPerPart);
    expect(cut.parts.length).toBeGreaterThan(20);
    expect(cut.values).toBe(whole.values);
    expect(cut.series.data).toHaveLength(whole.series.data.length);
  });

  test('ask heads for their bounds once a question, for all parts but the newest one', async () => {
    let boundsCalls = 0;
    const bounds = [{ partition: 0, committedOffset: 7, oldestNs: today }];
    const querier = Object.assign(new DailyQuerier(), {
      bytesPerDay: streamBytesPerPart,
      heads: async () => {
        boundsCalls++;
        return Promise.resolve(bounds);
      },
    });
    const frontend = testFrontend(querier);
    const api = new MetadataApi({ frontend, querier, clock, logger, multiTenantQueriesEnabled: false });
    await api.labels(getRequest({ since: '240h' }), tenancyOf('t'));
    frontend.stop();
    const parts = querier.requests as StreamsRequest[];
    expect(parts.length).toBeGreaterThan(10);
    expect(boundsCalls).toBe(1);
    const newestNs = parts.reduce((newest, { endNs }) => (endNs > newest ? endNs : newest), 0n);
    for (const { heads, endNs } of parts) expect(heads).toEqual(endNs === newestNs ? undefined : bounds);
    boundsCalls = 0;
    const whole = testFrontend(querier, { splitMetadataQueriesByIntervalMs: 0 });
    const wholeApi = new MetadataApi({
      frontend: whole,
      querier,
      clock,
      logger,
      multiTenantQueriesEnabled: false,
    });
    await wholeApi.labels(getRequest({ since: '1h' }), tenancyOf('t'));
    whole.stop();
    expect(boundsCalls).toBe(0);
  });

  test('are kept by the interval for their time', async () => {
    const { parts } = await ask(0, { recentMetadataQueryWindowMs: 2 * dayMs });
    // The newest part does not wait for the bounds of heads.
    const inOrder = parts.slice(0, 2).sort((a, b) => Number(a.startNs - b.startNs));
    expect(inOrder.map(({ cache }) => cache?.splitNs)).toEqual([day, hour]);
  });

  test('need no more than the catalog to be planned, and go on without it', async () => {
    const querier = new DailyQuerier();
    querier.storedBytes = () => Promise.reject(new Error('boom'));
    const frontend = testFrontend(querier);
    const api = new MetadataApi({ frontend, querier, clock, logger, multiTenantQueriesEnabled: false });
    await expect(api.labels(getRequest({ since: '240h' }), tenancyOf('t'))).rejects.toThrow('boom');
    // An internal fault is logged; a missing answer is not.
    querier.storedBytes = () => Promise.reject(new LokiError('unavailable', 'nobody'));
    const answer = await api.labels(getRequest({ since: '239h' }), tenancyOf('t'));
    expect(answer.body).toBe('{"status":"success","data":["app"]}\n');
    frontend.stop();
  });
});
