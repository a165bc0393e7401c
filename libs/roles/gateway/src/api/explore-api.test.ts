/** Protects the fields and labels that Logs Drilldown offers for a search. */
import { atOnce } from '@loki/engine';
import type { LabelPair } from '@loki/model';
import type { LogLeafRequest, PatternService, PatternsRequest, WorkerEnv, Workers } from '@loki/ports';
import { clock, getRequest, tenancyOf, testFrontend, TestQuerier } from '../test/gateway.ts';
import type { TestRow } from '../test/gateway.ts';
import { detectLabels } from './detected-labels.ts';
import { ExploreApi } from './explore-api.ts';

const stream = { app: 'a' };

function setUp(rows: Omit<TestRow, 'ts' | 'stream'>[]) {
  const querier = new TestQuerier();
  querier.rows.set(
    't',
    rows.map((row, i) => ({ ...row, ts: BigInt(1000 - i), stream })),
  );
  return { querier, api: new ExploreApi({ frontend: testFrontend(querier), querier, clock, workers }) };
}

/** Another thread, as far as what goes there and comes back is concerned. */
const someWorkers: Workers = {
  parallelism: 1,
  run: async (task, input, { signal } = {}) =>
    structuredClone(await task.run(structuredClone(input), {} as WorkerEnv, () => signal?.throwIfAborted())),
  close: () => Promise.resolve(),
};
let workers: Workers | undefined;
afterEach(() => (workers = undefined));

async function fieldsOf(rows: Omit<TestRow, 'ts' | 'stream'>[], query: Record<string, string> = {}) {
  const { api } = setUp(rows);
  const response = await api.detectedFields(getRequest({ query: '{app="a"}', ...query }), tenancyOf('t'));
  return JSON.parse(response.body as string) as object;
}

test.each([
  ['a worker', someWorkers],
  ['the own thread', undefined],
])('fields come from metadata, from JSON with their paths, and from logfmt, by %s', async (_, place) => {
  workers = place;
  const rows = [
    { line: '{"user":{"id":7},"ok":true}', metadata: { trace: 'x' } },
    { line: 'user_id=8 took=3ms', metadata: { trace: 'y' } },
    { line: 'words' },
  ];
  expect(await fieldsOf(rows)).toEqual({
    fields: [
      { label: 'trace', type: 'string', cardinality: 2, parsers: null },
      {
        label: 'user_id',
        type: 'int',
        cardinality: 2,
        parsers: ['json', 'logfmt'],
        jsonPath: ['user', 'id'],
      },
      { label: 'ok', type: 'boolean', cardinality: 1, parsers: ['json'], jsonPath: ['ok'] },
      { label: 'took', type: 'duration', cardinality: 1, parsers: ['logfmt'] },
    ],
    limit: 1000,
  });
});

test('a field names the parser that reads the line, whatever stages the query has, and marks of failure are none', async () => {
  const rows = [{ line: 'x=1', parsed: { mine: '5', __error__: 'E', __error_details__: 'e' } }];
  for (const stage of ['logfmt', 'json | logfmt', 'pattern "<mine>"', 'label_format mine="5"']) {
    expect(await fieldsOf(rows, { query: `{app="a"} | ${stage}` })).toEqual({
      fields: [
        { label: 'mine', type: 'int', cardinality: 1, parsers: ['logfmt'] },
        { label: 'x', type: 'int', cardinality: 1, parsers: ['logfmt'] },
      ],
      limit: 1000,
    });
  }
});

test('labels that the query drops are in the line still', async () => {
  const rows = [{ line: '{"level":"info","n":1,"__error__":"x"}', parsed: { n: '1' } }];
  expect(await fieldsOf(rows, { query: '{app="a"} | json | drop level' })).toMatchObject({
    fields: [
      { label: 'n', parsers: ['json'], jsonPath: ['n'] },
      { label: 'level', parsers: ['json'], jsonPath: ['level'] },
    ],
  });
});

test('a name in the line and in the metadata is one field with the values of both', async () => {
  const rows = [{ line: 'level=info trace_id=p1', metadata: { level: 'warn', trace_id: 'p1' } }];
  expect(await fieldsOf(rows)).toMatchObject({
    fields: [
      { label: 'level', cardinality: 2, parsers: ['logfmt'] },
      { label: 'trace_id', cardinality: 1, parsers: ['logfmt'] },
    ],
  });
});

test('the last value of a field decides its type, the last JSON line its path', async () => {
  const rows = [{ line: '{"n":5,"a":{"b":1}}' }, { line: '{"a.b":2}' }, { line: 'a_b=x n=1ms' }];
  expect(await fieldsOf(rows)).toMatchObject({
    fields: [
      { label: 'n', type: 'duration', parsers: ['json', 'logfmt'], jsonPath: ['n'] },
      { label: 'a_b', type: 'string', parsers: ['json', 'logfmt'], jsonPath: ['a.b'] },
    ],
  });
});

test('a label of the query has no path where the JSON line has no such field', async () => {
  const { fields } = (await fieldsOf([{ line: '{"a":1}', parsed: { b: '{"a":1}' } }], {
    query: '{app="a"} | pattern "<b>"',
  })) as { fields: unknown[] };
  expect(fields).toEqual([
    { label: 'b', type: 'string', cardinality: 1, parsers: ['json'] },
    { label: 'a', type: 'int', cardinality: 1, parsers: ['json'], jsonPath: ['a'] },
  ]);
});

test('the newest lines are asked for, as many as the request says', async () => {
  const { api, querier } = setUp([{ line: 'a=1' }]);
  const query = { query: '{app="a"}', line_limit: '7', start: '100', end: '200' };
  await api.detectedFields(getRequest(query), tenancyOf('t'));
  const leaf = querier.requests[0] as LogLeafRequest;
  expect(leaf).toMatchObject({ kind: 'log', direction: 'backward', limit: 7, endNs: 200_000_000_000n });
});

test('no more fields than the limit, by either of its names; no field at all is an empty object', async () => {
  const rows = [{ line: 'a=1 b=2 c=3' }];
  expect(await fieldsOf(rows, { field_limit: '2' })).toMatchObject({ fields: [{}, {}], limit: 2 });
  expect(await fieldsOf(rows, { limit: '1' })).toMatchObject({ fields: [{}], limit: 1 });
  expect(await fieldsOf([])).toEqual({});
});

test.each([
  ['a worker', someWorkers],
  ['the own thread', undefined],
])('values of one field, by %s', async (_, place) => {
  workers = place;
  const { api } = setUp([{ line: 'a=1 z=3' }, { line: 'a=2 z=4' }, { line: 'a=1' }]);
  const ask = async (name: string, query: Record<string, string> = {}) => {
    const response = await api.detectedFieldValues(
      getRequest({ query: '{app="a"}', ...query }, { name }),
      tenancyOf('t'),
    );
    return JSON.parse(response.body as string) as object;
  };
  expect(await ask('a')).toEqual({ values: ['1', '2'], limit: 1000 });
  // The limit is for values: fields before this one do not count.
  expect(await ask('z', { limit: '1' })).toEqual({ values: ['3'], limit: 1 });
  expect(await ask('b')).toEqual({});
});

test.each([
  ['a worker', someWorkers],
  ['the own thread', undefined],
])('reading lines ends with the client, by %s', async (_, place) => {
  workers = place;
  const { api, querier } = setUp([{ line: 'a=1' }]);
  const client = new AbortController();
  const runLeaf = querier.runLeaf.bind(querier);
  querier.runLeaf = async (request) => {
    const rows = await runLeaf(request);
    // The client leaves when its lines have been found.
    client.abort();
    return rows;
  };
  const request = { ...getRequest({ query: '{app="a"}' }), signal: client.signal };
  await expect(api.detectedFields(request, tenancyOf('t'))).rejects.toMatchObject({ code: 'clientGone' });
});

test.each([
  [{ query: '{app=' }, 'parse error'],
  [{ query: 'rate({app="a"}[1m])' }, 'only log selector is supported'],
  [{ line_limit: '6000' }, 'max entries limit per query exceeded'],
  [{ line_limit: 'x' }, 'strconv.Atoi'],
  [{ line_limit: '0' }, 'limit must be a positive value'],
  [{ line_limit: '-1' }, 'limit must be a positive value'],
  [{ limit: '0' }, 'limit must be a positive value'],
  [{ limit: '-5' }, 'limit must be a positive value'],
  [{ field_limit: '0' }, 'limit must be a positive value'],
  [{ field_limit: '4294967296' }, 'out of range'],
])('%j is refused', async (query, text) => {
  await expect(fieldsOf([], query)).rejects.toThrow(text);
});

function labelsOf(all: Record<string, string[]>): string[] {
  const streams = Object.entries(all).flatMap(([name, values]) =>
    values.map((value) => ({ labels: [[name, value]] as LabelPair[] })),
  );
  return atOnce(detectLabels(streams)).map(({ label, cardinality }) => `${label}:${cardinality}`);
}

test('labels whose values are all numbers or UUIDs are left out, unless people look by them anyway', () => {
  expect(
    labelsOf({
      code: ['200', '404', '1e5', '-1.5', 'NaN'],
      id: ['0c9f2a54-7a63-4f2e-9d62-0a8c3b1d5e7f', '0c9f2a547a634f2e9d620a8c3b1d5e7f'],
      pod: ['1', '2', '3'],
      on: ['0', '1'],
      off: ['0', '2'],
      mixed: ['1', 'x'],
      __stream_shard__: ['x'],
    }),
  ).toEqual(['pod:3', 'on:2', 'mixed:2']);
});

test('detected labels of several tenants are merged', async () => {
  const { api, querier } = setUp([]);
  querier.volumes.set('t', [{ labels: [['app', 'a']], entries: 1, lineBytes: 1 }]);
  querier.volumes.set('u', [{ labels: [['app', 'b']], entries: 1, lineBytes: 1 }]);
  const response = await api.detectedLabels(getRequest({}), tenancyOf('t', 'u'));
  expect(JSON.parse(response.body as string)).toEqual({ detectedLabels: [{ label: 'app', cardinality: 2 }] });
});

test('detected labels of a range that ends before it begins are refused, those of a moment are answered', async () => {
  const { api, querier } = setUp([]);
  querier.volumes.set('t', [{ labels: [['app', 'a']], entries: 1, lineBytes: 1 }]);
  const ask = (start: string, end: string) => api.detectedLabels(getRequest({ start, end }), tenancyOf('t'));
  await expect(ask('1700000060', '1700000059')).rejects.toMatchObject({
    status: 400,
    message: 'this data is no longer available, it is past now - max_query_lookback (0s)',
  });
  await expect(ask('1700000060', '1700000060')).resolves.toMatchObject({ status: 200 });
});

describe('patterns', () => {
  const query = { query: '{app="a"}', start: '1700000000', end: '1700000400', step: '30' };

  test('without patterns the list is empty', async () => {
    const { api } = setUp([]);
    const response = await api.patterns(getRequest(query), tenancyOf('t'));
    expect(JSON.parse(response.body as string)).toEqual({ status: 'success', data: [] });
  });

  test('those of several tenants are added up', async () => {
    const querier = new TestQuerier();
    const requests: PatternsRequest[] = [];
    const patterns: PatternService = {
      patterns: async (request) => {
        requests.push(request);
        return Promise.resolve([{ pattern: '<_> "x"', level: 'info', samples: [[1_700_000_010, 2]] }]);
      },
    };
    const api = new ExploreApi({ frontend: testFrontend(querier), querier, clock, patterns });
    const response = await api.patterns(getRequest(query), tenancyOf('t', 'u'));
    expect(JSON.parse(response.body as string)).toEqual({
      status: 'success',
      data: [{ pattern: '<_> "x"', level: 'info', samples: [[1_700_000_010, 4]] }],
    });
    expect(requests).toHaveLength(2);
    expect(requests[0]).toMatchObject({ tenant: 't', selector: '{app="a"}', stepNs: 30_000_000_000n });
  });

  test('a query is a selector', async () => {
    const { api } = setUp([]);
    const ask = (text: string) => api.patterns(getRequest({ ...query, query: text }), tenancyOf('t'));
    await expect(ask('{app=')).rejects.toThrow('unexpected $end, expecting STRING');
    await expect(ask('{app="a"} |= "x"')).rejects.toThrow('only label matchers are supported');
  });
});
