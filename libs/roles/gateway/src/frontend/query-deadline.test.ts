/**
 * Protects clients from queries of death: the error comes with the deadline, however little the querier cares
 * for it, for eight at once and for those that wait behind them; and afterwards others are answered.
 */
import { loadHash } from '@loki/model';
import type { LeafRequest, LogLeafResult, Timers } from '@loki/ports';
import { QueryApi } from '../api/query-api.ts';
import { clock, getRequest, limitsDefault, logger, random, tenancyOf, TestQuerier } from '../test/gateway.ts';
import { QueryFrontend } from './query-frontend.ts';

beforeAll(loadHash);

const queryTimeoutMs = 2_000;

/** Timers that go off when virtual time has passed. */
class VirtualTimers implements Timers {
  nowMs = 0;
  readonly #due = new Set<{ readonly atMs: number; readonly run: () => void }>();

  after(delayMs: number, run: () => void) {
    const timer = { atMs: this.nowMs + delayMs, run };
    this.#due.add(timer);
    return { cancel: () => void this.#due.delete(timer) };
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const timer of this.#due) {
      if (timer.atMs > this.nowMs) continue;
      this.#due.delete(timer);
      timer.run();
    }
    await turn();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Neither answers nor notices that its caller has left. */
class DeafQuerier extends TestQuerier {
  isDeaf = true;

  override async runLeaf(request: LeafRequest): Promise<LogLeafResult> {
    const result = await super.runLeaf(request);
    return this.isDeaf ? new Promise(() => undefined) : result;
  }
}

test('log queries that the querier never ends', async () => {
  const query = '{app="a"} |= "x"';
  const timers = new VirtualTimers();
  const querier = new DeafQuerier();
  const limits = { ...limitsDefault, queryTimeoutMs };
  const frontend = new QueryFrontend(
    {
      querier,
      limits: { forTenant: () => limits },
      clock: { ...clock, monotonicMs: () => timers.nowMs },
      timers,
      random,
      logger,
    },
    { maxConcurrent: 4, maxOutstandingPerTenant: 100 },
  );
  frontend.start();
  const api = new QueryApi({ frontend, clock, logger });
  const ask = (tenant: string) =>
    api.queryRange(getRequest({ query, start: '0', end: '60' }), tenancyOf(tenant)).then(
      ({ status }) => status,
      (error: { code?: string }) => `${error.code} after ${timers.nowMs} ms`,
    );
  const outcomes: (string | number)[] = [];
  for (let i = 0; i < 8; i++) void ask('hostile').then((outcome) => outcomes.push(outcome));
  await turn();
  expect(querier.requests).toHaveLength(3); // a slot is left to others
  await timers.pass(queryTimeoutMs - 1);
  expect(outcomes).toEqual([]);
  await timers.pass(1);
  expect(outcomes).toEqual(Array(8).fill(`timeout after ${queryTimeoutMs} ms`));
  querier.isDeaf = false;
  expect(await ask('other')).toBe(200);
});
