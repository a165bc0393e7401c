/**
 * Protects requests that share the thread with questions about streams: answers over thousands of them are
 * made in slices.
 */
import { QueryThread } from '@loki/engine';
import type { HttpRequest, HttpResponse, Tenancy } from '@loki/ports';
import { QueryFrontend } from '../frontend/query-frontend.ts';
import {
  clock,
  getRequest,
  limitsDefault,
  logger,
  random,
  tenancyOf,
  TestQuerier,
  timers,
} from '../test/gateway.ts';
import { ExploreApi } from './explore-api.ts';
import { MetadataApi } from './metadata-api.ts';
import { VolumeApi } from './volume-api.ts';

const streamCount = 4_000;
const querier = new TestQuerier();
querier.volumes.set(
  't',
  Array.from({ length: streamCount }, (_, i) => ({
    labels: [
      ['app', 'a'],
      ['pod', `pod-${i}`],
    ],
    entries: 1,
    lineBytes: 10,
    volume: { bucket: [0, 1, 2], bytes: [1, 2, i] },
  })),
);

/** Each look at its clock finds a slice at its end. */
function slowThread() {
  let nowMs = 0;
  let pauses = 0;
  const sleep = async () => {
    pauses++;
  };
  const thread = new QueryThread({ clock: { monotonicMs: () => (nowMs += 20) }, timers: { sleep } });
  return { thread, pauses: () => pauses };
}

type Ask = (apis: Apis, request: HttpRequest, tenancy: Tenancy) => Promise<HttpResponse>;
interface Apis {
  readonly metadata: MetadataApi;
  readonly volume: VolumeApi;
  readonly explore: ExploreApi;
}

const endpoints: readonly [string, Record<string, string>, Ask][] = [
  ['labels', {}, ({ metadata }, ...asked) => metadata.labels(...asked)],
  ['label values', {}, ({ metadata }, ...asked) => metadata.labelValues(...asked)],
  ['series', { match: '{app="a"}' }, ({ metadata }, ...asked) => metadata.series(...asked)],
  ['shards', { query: '{app="a"}' }, ({ metadata }, ...asked) => metadata.indexShards(...asked)],
  [
    'volume by pod',
    { query: '{app="a"}', targetLabels: 'pod', limit: '5000' },
    ({ volume }, ...asked) => volume.volume(...asked),
  ],
  [
    'volume by steps',
    { query: '{app="a"}', targetLabels: 'pod', limit: '5000', step: '60' },
    ({ volume }, ...asked) => volume.volumeRange(...asked),
  ],
  ['detected labels', {}, ({ explore }, ...asked) => explore.detectedLabels(...asked)],
];

test.each(endpoints)('%s', async (_name, params, ask) => {
  const { thread, pauses } = slowThread();
  const frontend = new QueryFrontend(
    {
      querier,
      limits: { forTenant: () => limitsDefault },
      clock,
      timers,
      random,
      logger,
      queryThread: thread,
    },
    { maxConcurrent: 4, maxOutstandingPerTenant: 100 },
  );
  frontend.start();
  const deps = { frontend, querier, clock, logger, multiTenantQueriesEnabled: false };
  const apis = {
    metadata: new MetadataApi(deps),
    volume: new VolumeApi(deps),
    explore: new ExploreApi(deps),
  };
  const request = { ...getRequest(params), params: new Map([['name', 'pod']]) };
  expect(await ask(apis, request, tenancyOf('t'))).toMatchObject({ status: 200 });
  expect(pauses()).toBeGreaterThanOrEqual(streamCount / 128 - 1);
  frontend.stop();
});
