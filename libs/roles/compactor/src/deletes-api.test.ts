/**
 * Protects: the delete API's words and rules; the recorded answers are in the conformance area delete-api.
 */
import { DeleteRequests } from '@loki/catalog';
import { parseTenantId } from '@loki/model';
import type { HttpRequest } from '@loki/ports';
import { VirtualProcess } from '@loki/virtual';
import { parseDeleteTime } from './delete-time.ts';
import { DeletesApi } from './deletes-api.ts';
import { TestWorld } from './test/world.ts';

const dayMs = 86_400_000;
const tenant = parseTenantId('a');

function setUp(deletionMode = 'filter-and-delete', world = new TestWorld(1), requests = world.requests) {
  const received: string[] = [];
  const { random, clock } = world.process;
  const limits = { forTenant: () => ({ ...world.limits, deletionMode }) as typeof world.limits };
  const api = new DeletesApi({
    requests,
    limits,
    clock,
    random,
    metrics: { deleteRequestReceived: (each) => void received.push(each) },
    options: { cancelPeriodMs: dayMs, maxIntervalMs: dayMs },
  });
  const call = async (method: string, params: Record<string, string>, asForm = false) => {
    const text = new URLSearchParams(params).toString();
    const request: HttpRequest = {
      method,
      path: '/loki/api/v1/delete',
      params: new Map(),
      queryText: asForm ? '' : text,
      headers: new Map(asForm ? [['content-type', 'application/x-www-form-urlencoded']] : []),
      body: Buffer.from(asForm ? text : ''),
      remoteAddress: '',
      signal: new AbortController().signal,
    };
    const response = await world.do(Promise.resolve(api.deletes(tenant, request)));
    return { ...response, json: response.status === 200 ? JSON.parse(String(response.body)) : undefined };
  };
  const nowS = Math.floor(clock.nowMs() / 1000);
  return { world, api, call, received, nowS };
}

describe('the delete API', () => {
  test.each<[string, Record<string, string>]>([
    ['query not set', {}],
    ['invalid query expression', { query: '{app=' }],
    ['invalid query expression', { query: 'rate({app="a"}[1m])' }],
    ['invalid query expression', { query: '{app="a"} | addr=ip("bogus")' }],
    ['invalid query expression', { query: '{app="a"} | @="x"' }],
    ['start time not set', { query: '{app="a"}' }],
    ['invalid start time: require unix seconds or RFC3339 format', { query: '{app="a"}', start: '17' }],
    [
      'invalid end time: require unix seconds or RFC3339 format',
      { query: '{}', start: '1700000000', end: 'x' },
    ],
    ['deletes in the future are not allowed', { query: '{}', start: '1700000000', end: '2700000000' }],
    [
      "start time can't be greater than or equal to end time",
      { query: '{}', start: '1700000000', end: '1700000000' },
    ],
    [
      "invalid max_interval: valid time units are 's', 'm', 'h'",
      { query: '{} |= "x"', start: '1700000000', end: '1700000100', max_interval: 'x' },
    ],
    [
      "max_interval can't be greater than 24h0m0s",
      { query: '{} |= "x"', start: '1700000000', end: '1700000100', max_interval: '25h' },
    ],
  ])('refuses: %s', async (text, params) => {
    const { call, received } = setUp();
    await expect(call('POST', params)).rejects.toMatchObject({ code: 'badRequest', message: text });
    expect(received).toEqual([]);
  });

  test('of several compactors each lists and cancels what another was asked just now', async () => {
    const { world, call, nowS } = setUp();
    const process = new VirtualProcess(world.scheduler, 'other');
    const { clock, timers } = process;
    const requests = new DeleteRequests({ objectStore: world.bucket.client(process), clock, timers });
    const other = setUp(undefined, world, requests);
    const created = await call('POST', { query: '{app="a1"}', start: String(nowS - 60) });
    const id = created.headers!['X-Delete-Request-Id'];
    expect((await other.call('GET', {})).json).toMatchObject([{ request_id: id, status: 'received' }]);
    expect((await other.call('DELETE', { request_id: id })).status).toBe(204);
    expect((await call('GET', {})).json).toEqual([]);
  });

  test('creates, lists, cancels; the generation rises', async () => {
    const { call, nowS, received, api, world } = setUp();
    const generation = async () => String((await world.do(api.generation(tenant))).body);
    expect(await generation()).toBe('""\n');
    const { headers } = await world.do(api.generation(tenant));
    expect(headers).toEqual({ 'content-type': 'text/plain; charset=utf-8' });
    const params = { query: '{app="a"} |= "x"', start: String(nowS - 3600), end: String(nowS - 60) };
    const created = await call('PUT', { ...params, max_interval: '10m' }, true);
    expect(created.status).toBe(204);
    const id = created.headers!['X-Delete-Request-Id'];
    expect(id).toMatch(/^[0-9a-f]{8}$/);
    expect((await call('GET', {})).json).toMatchObject([
      {
        request_id: id,
        start_time: nowS - 3600,
        end_time: nowS - 60,
        query: params.query,
        status: 'received',
      },
    ]);
    expect(await generation()).toBe('"1"\n');
    expect(received).toEqual(['a']);
    await expect(call('DELETE', { request_id: 'nope' })).rejects.toMatchObject({ code: 'notFound' });
    expect((await call('DELETE', { request_id: id })).status).toBe(204);
    expect((await call('GET', {})).json).toEqual([]);
    expect(await generation()).toBe('"2"\n');
  });

  test('tells how far a request is; one under way or past its cancel period is cancelled by force only', async () => {
    const { call, world, nowS } = setUp();
    const create = async () => {
      const params = { query: '{} |= "x"', start: String(nowS - 4 * 86_400), end: String(nowS) };
      return (await call('POST', params)).headers!['X-Delete-Request-Id'];
    };
    const [first, second] = [await create(), await create()];
    await world.do(world.requests.progress('a', first, 1));
    expect((await call('GET', {})).json[0].status).toBe('25% Complete');
    await expect(call('DELETE', { request_id: first })).rejects.toMatchObject({ code: 'badRequest' });
    await world.pass(dayMs + 1000);
    await expect(call('DELETE', { request_id: second })).rejects.toThrow('past the deadline of 24h0m0s');
    expect((await call('DELETE', { request_id: second, force: 'true' })).status).toBe(204);
    await world.do(world.requests.progress('a', first, 4));
    expect((await call('GET', {})).json).toMatchObject([{ request_id: first, status: 'processed' }]);
    await expect(call('DELETE', { request_id: first, force: 'true' })).rejects.toMatchObject({
      code: 'badRequest',
    });
  });

  test('is closed to tenants that may not delete', async () => {
    const { call } = setUp('disabled');
    await expect(call('GET', {})).rejects.toMatchObject({ code: 'forbidden' });
  });
});

test('times are ten digits of seconds or RFC 3339', () => {
  expect(parseDeleteTime('1700000000')).toBe(1_700_000_000_000);
  expect(parseDeleteTime('2023-11-14T22:13:20Z')).toBe(1_700_000_000_000);
  expect(parseDeleteTime('2023-11-14T23:13:20.5+01:00')).toBe(1_700_000_000_500);
  for (const text of ['', '170000000', '17000000000', '1700000000.0', '2023-02-30T00:00:00Z', '2023-11-14']) {
    expect(parseDeleteTime(text)).toBeUndefined();
  }
});
