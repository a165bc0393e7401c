/** Protects: which streams count for which row of a volume, in which order, and in which shape they come. */
import type { Limits } from '@loki/config';
import type { LabelPair } from '@loki/model';
import type { StreamsRequest } from '@loki/ports';
import { clock, logger, getRequest, tenancyOf, testFrontend, TestQuerier } from '../test/gateway.ts';
import { VolumeApi } from './volume-api.ts';

function stream(labels: Record<string, string>, bytes: Record<number, number>) {
  const bucket = Object.keys(bytes).map(Number);
  const pairs = Object.entries(labels) as LabelPair[];
  return { labels: pairs, entries: 1, lineBytes: 1, volume: { bucket, bytes: Object.values(bytes) } };
}

function api(limits: Partial<Limits> = {}) {
  const querier = new TestQuerier();
  querier.volumes.set('t', [
    stream({ app: 'a', env: 'prod' }, { 0: 10 }),
    stream({ app: 'a', env: 'dev' }, { 0: 5 }),
    stream({ app: 'b' }, { 0: 15 }),
    stream({ app: 'c', env: 'prod', __stream_shard__: '1' }, { 0: 40 }),
  ]);
  return { querier, api: new VolumeApi({ frontend: testFrontend(querier, limits), querier, clock, logger }) };
}

async function ask(query: Record<string, string>, limits: Partial<Limits> = {}) {
  const { api: volumes } = api(limits);
  const response = await volumes.volume(
    getRequest({ start: '1700000000', end: '1700000400', ...query }),
    tenancyOf('t'),
  );
  const { data } = JSON.parse(response.body as string) as {
    data: { resultType: string; result: { metric: object; value: [number, string] }[] };
  };
  return data.result.map(({ metric, value }) => [metric, value[1]]);
}

test('streams are put together by the labels of the matchers; those that lack one stay with what they have', async () => {
  expect(await ask({ query: '{app=~".+"}' })).toEqual([
    [{ app: 'c' }, '40'],
    [{ app: 'a' }, '15'],
    [{ app: 'b' }, '15'],
  ]);
  expect(await ask({ query: '{app=~".+", env!="x"}' })).toEqual([
    [{ app: 'c', env: 'prod' }, '40'],
    [{ app: 'b' }, '15'],
    [{ app: 'a', env: 'prod' }, '10'],
    [{ app: 'a', env: 'dev' }, '5'],
  ]);
});

test('with target labels, streams that lack one of them do not count', async () => {
  expect(await ask({ query: '{app=~".+"}', targetLabels: 'env' })).toEqual([
    [{ env: 'prod' }, '50'],
    [{ env: 'dev' }, '5'],
  ]);
  expect(await ask({ query: '{app=~".+"}', targetLabels: 'nosuch' })).toEqual([]);
});

test('all streams come with all their labels but those of our own making', async () => {
  expect((await ask({ query: ' { } ' }))[0]).toEqual([{ app: 'c', env: 'prod' }, '40']);
});

test('by labels there is a row for each name', async () => {
  expect(await ask({ query: '{app="a"}', aggregateBy: 'labels' })).toEqual([
    [{ app: '' }, '70'],
    [{ env: '' }, '55'],
  ]);
});

test('rows are cut at the limit of the request and at that of the tenant; 0 means the default', async () => {
  expect(await ask({ query: '{app=~".+"}', limit: '1' })).toEqual([[{ app: 'c' }, '40']]);
  expect(await ask({ query: '{app=~".+"}', limit: '0' })).toHaveLength(3);
  expect(await ask({ query: '{app=~".+"}', limit: '3' }, { volumeMaxSeries: 2 })).toHaveLength(2);
});

test('a row with several samples makes a matrix, stamped a millisecond before the steps end, the last one at the end', async () => {
  const { api: volumes, querier } = api();
  const query = { query: '{app="b"}', start: '1700000010', end: '1700000100', step: '60' };
  const once = await volumes.volumeRange(getRequest(query), tenancyOf('t'));
  expect(JSON.parse(once.body as string)).toMatchObject({ data: { resultType: 'vector' } });
  expect((querier.requests[0] as StreamsRequest).volume).toEqual({ stepNs: 60_000_000_000n });

  querier.volumes.set('t', [stream({ app: 'b' }, { 0: 3, 2: 4 })]);
  const several = await volumes.volumeRange(getRequest(query), tenancyOf('t'));
  expect(JSON.parse(several.body as string)).toMatchObject({
    status: 'success',
    data: {
      resultType: 'matrix',
      result: [
        {
          metric: { app: 'b' },
          values: [
            [1_700_000_039.999, '3'],
            [1_700_000_100, '4'],
          ],
        },
      ],
      stats: { summary: { totalEntriesReturned: 1 } },
    },
  });
});

test('rows of several steps come as the first step has them, then those that the next one adds; without labels last', async () => {
  const { api: volumes, querier } = api();
  const query = { query: '{app!="x", service!=""}', start: '1700000000', end: '1700000120', step: '60' };
  querier.volumes.set('t', [
    stream({ env: 'none' }, { 0: 100, 1: 100 }),
    stream({ app: 'late' }, { 1: 50 }),
    stream({ app: 'small' }, { 0: 1, 1: 60 }),
    stream({ app: 'large' }, { 0: 2 }),
  ]);
  const response = await volumes.volumeRange(getRequest(query), tenancyOf('t'));
  const { data } = JSON.parse(response.body as string) as { data: { result: { metric: object }[] } };
  expect(data.result.map(({ metric }) => metric)).toEqual([
    { app: 'large' },
    { app: 'small' },
    { app: 'late' },
    {},
  ]);
});

test.each<[string, Partial<Limits>]>([
  ['2', {}],
  ['9', { volumeMaxSeries: 2 }],
])(
  'each step has its largest rows, by the limit %s of the request and %j of the tenant',
  async (limit, limits) => {
    const { api: volumes, querier } = api(limits);
    querier.volumes.set('t', [
      stream({ app: 'falls' }, { 0: 90, 1: 1 }),
      stream({ app: 'stays' }, { 0: 50, 1: 50 }),
      stream({ app: 'rises' }, { 0: 40, 1: 70, 2: 5 }),
      stream({ app: 'equal' }, { 1: 50, 2: 5 }),
      stream({ env: 'none' }, { 0: 99, 2: 99 }),
    ]);
    const query = {
      query: '{app!="x", service!=""}',
      start: '1700000040',
      end: '1700000220',
      step: '60',
      limit,
    };
    const response = await volumes.volumeRange(getRequest(query), tenancyOf('t'));
    const { data } = JSON.parse(response.body as string) as {
      data: { result: { metric: { app?: string }; values: [number, string][] }[] };
    };
    expect(
      data.result.map(({ metric, values }) => [metric.app, ...values.map(([, bytes]) => bytes)]),
    ).toEqual([
      ['falls', '90'],
      ['stays', '50'],
      ['rises', '70', '5'],
      ['equal', '50', '5'],
    ]);
  },
);

test.each([
  // A step that ends where the range does is the last.
  ['1700000000', '1700000040', '20', [1_700_000_019.999, 1_700_000_040]],
  ['1700000000', '1700000041', '20', [1_700_000_019.999, 1_700_000_039.999]],
  ['1700000000.5', '1700000030', '20', [1_700_000_019.999, 1_700_000_030]],
  ['1700000000', '1700000001', '0.5', [1_700_000_000.499, 1_700_000_001]],
])('from %s to %s the steps of %s s are stamped %j', async (start, end, step, times) => {
  const { api: volumes, querier } = api();
  querier.volumes.set('t', [stream({ app: 'a' }, { 0: 1, 1: 1 })]);
  const response = await volumes.volumeRange(
    getRequest({ query: '{app="a"}', start, end, step }),
    tenancyOf('t'),
  );
  const { data } = JSON.parse(response.body as string) as {
    data: { result: { values: [number, string][] }[] };
  };
  expect(data.result[0].values.map(([time]) => time)).toEqual(times);
});

test('several tenants are added up without their names', async () => {
  const { api: volumes, querier } = api();
  querier.volumes.set('u', [stream({ app: 'a' }, { 0: 1000 })]);
  const response = await volumes.volume(getRequest({ query: '{app="a"}' }), tenancyOf('t', 'u'));
  expect(response.body).toContain('{"metric":{"app":"a"},"value":[1700000400,"1015"]}');
});

test.each([
  [{ query: '{app="a"}', aggregateBy: 'x' }, {}, 'invalid aggregation option'],
  [{ query: '{app="a"} |= "x"' }, {}, 'only label matchers are supported'],
  [{ query: '{app="a"}', limit: 'x' }, {}, 'strconv.Atoi: parsing "x": invalid syntax'],
  [{ query: '{app="a"}' }, { volumeEnabled: false }, 'not found'],
])('%j is refused in known words', async (query, limits, text) => {
  await expect(ask(query, limits)).rejects.toThrow(text);
});
