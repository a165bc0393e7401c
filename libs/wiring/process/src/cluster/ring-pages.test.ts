/** Protects: the pages an operator looks at first show who is there, to people and to programs. */
import type { Clock, HttpRequest, HttpResponse } from '@loki/ports';
import { ringOfOne, ringPageHandlers } from './ring-pages.ts';

const clock: Clock = { nowMs: () => 1_700_000_000_000, nowNs: () => 0n, monotonicMs: () => 0 };
const self = { id: '<b>&"one"', address: '10.0.0.1:9095', zone: 'z', sinceMs: 1_600_000_000_000, clock };

function request(over: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: 'GET',
    path: '/distributor/ring',
    params: new Map(),
    queryText: '',
    headers: new Map(),
    body: Buffer.alloc(0),
    remoteAddress: '',
    signal: new AbortController().signal,
    ...over,
  };
}

const asJson = { headers: new Map([['accept', 'text/plain, application/json']]) };
const source = ringOfOne(self);
const handlers = ringPageHandlers({
  clock,
  rings: { ring: source, distributorRing: source },
  partitions: { count: () => 2, replicationFactor: 1 },
});

async function get(id: keyof typeof handlers, over: Partial<HttpRequest> = {}): Promise<HttpResponse> {
  return handlers[id]!(request(over));
}

test('programs get the members as JSON', async () => {
  const { headers, body } = await get('ring', asJson);
  expect(headers).toEqual({ 'content-type': 'application/json' });
  const { shards } = JSON.parse(body as string) as { shards: { tokens: number[] }[] };
  expect(shards).toMatchObject([
    {
      id: self.id,
      state: 'ACTIVE',
      address: '10.0.0.1:9095',
      zone: 'z',
      timestamp: '2023-11-14T22:13:20.000Z',
      registered_timestamp: '2020-09-13T12:26:40.000Z',
      read_only: false,
    },
  ]);
  expect(shards[0].tokens).toHaveLength(128);
});

test('people get HTML in which names are text, whatever they hold', async () => {
  for (const id of ['distributorRing', 'partitionRing'] as const) {
    const { status, headers, body } = await get(id);
    expect([status, headers]).toEqual([200, { 'content-type': 'text/html' }]);
    expect(body).toContain('&#60;b&#62;&#38;&#34;one&#34;');
    expect(body).not.toContain('<b>');
  }
});

test('partitions come with their owners', async () => {
  const { body } = await get('partitionRing', asJson);
  expect(JSON.parse(body as string)).toMatchObject({
    partitions: [
      { id: 0, state: 'PartitionActive', owner_ids: [self.id] },
      { id: 1, owner_ids: [self.id] },
    ],
  });
});

test('who is forgotten is told to the ring, and the page comes again', async () => {
  const forgotten: string[] = [];
  const { distributorRing } = ringPageHandlers({
    clock,
    rings: { distributorRing: { ...source, forget: async (id) => void forgotten.push(id) } },
  });
  const form = {
    method: 'POST',
    headers: new Map([['content-type', 'application/x-www-form-urlencoded']]),
    body: Buffer.from('forget=a%2Bb'),
  };
  const response = await distributorRing!(request(form));
  expect(response).toMatchObject({ status: 302, headers: { location: '#' } });
  expect(forgotten).toEqual(['a+b']);
  await get('ring', form);
});

test('rings that the process does not know have no page; memberlist says so', async () => {
  expect(handlers.rulerRing).toBeUndefined();
  expect((await get('memberlist')).body).toBe("This instance doesn't use memberlist.");
});
