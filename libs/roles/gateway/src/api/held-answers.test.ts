/** Protects the process from answers that their clients do not read: they count until they are sent. */
import { QueryThread } from '@loki/engine';
import { QueryFrontend } from '../frontend/query-frontend.ts';
import {
  clock,
  getRequest,
  limitsDefault,
  logger,
  nowNs,
  random,
  tenancyOf,
  TestQuerier,
  timers,
} from '../test/gateway.ts';
import { QueryApi } from './query-api.ts';

test('answers that were not taken leave room for small ones alone, until they are gone', async () => {
  const querier = new TestQuerier();
  const row = (i: number) => ({ ts: nowNs - BigInt(i), line: 'x'.repeat(100), stream: { app: 'a' } });
  querier.rows.set(
    'large',
    Array.from({ length: 1_000 }, (_, i) => row(i)),
  );
  querier.rows.set('small', [row(0)]);
  const queryThread = new QueryThread({ bytesMax: 2_000_000, clock, timers });
  const frontend = new QueryFrontend(
    { querier, limits: { forTenant: () => limitsDefault }, clock, timers, random, logger, queryThread },
    { maxConcurrent: 4, maxOutstandingPerTenant: 100 },
  );
  frontend.start();
  const api = new QueryApi({ frontend, clock, logger });
  const ask = (tenant: string) => api.queryRange(getRequest({ query: '{app="a"}' }), tenancyOf(tenant));
  const untaken = [await ask('large')];
  const refused = (async () => {
    for (;;) untaken.push(await ask('large'));
  })();
  await expect(refused).rejects.toMatchObject({ code: 'overloaded' });
  expect(untaken.length).toBeGreaterThan(2);
  expect(untaken.length).toBeLessThan(20);
  expect(await ask('small')).toMatchObject({ status: 200 });
  for (const { release } of untaken) release!();
  expect(await ask('large')).toMatchObject({ status: 200 });
  frontend.stop();
});
