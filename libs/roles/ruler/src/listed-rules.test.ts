/**
 * Protects others from long lists: 8,000 rules kept the main thread for half a second, anew for each list.
 */
import type { Clock, HttpResponse, Timers } from '@loki/ports';
import { PrometheusRuleApi } from './prometheus-api.ts';
import { RuleConfigApi } from './rule-config-api.ts';
import { limitsOf, RulerWorld, tenantA } from './test/world.ts';

/** Each look at the clock is a slice later; pauses are counted. */
class CountedTurns {
  pauses = 0;
  #ms = 0;
  readonly clock = { monotonicMs: () => (this.#ms += 100) } as unknown as Clock;
  readonly timers = {
    sleep: async () => void this.pauses++,
  } as unknown as Timers;
}

test('lists of rules are made in slices, with the same texts', async () => {
  const world = new RulerWorld();
  for (let i = 0; i < 20; i++) {
    await world.put(
      `name: g${i}\nrules:\n- record: r\n  expr: vector(${i})\n- alert: A\n  expr: vector(1)\n`,
    );
  }
  const ruler = world.ruler();
  await world.do(ruler.start());
  const request = {
    params: new Map(),
    queryText: '',
    signal: new AbortController().signal,
  } as never;
  const answers = async (turns?: CountedTurns) => {
    const { store } = world;
    const prometheus = new PrometheusRuleApi({ ruler, turns });
    const config = new RuleConfigApi({ store, limits: limitsOf(), ruler, turns });
    const lists: HttpResponse[] = [];
    for (const list of [
      () => prometheus.rules(tenantA, request),
      () => prometheus.alerts(tenantA, request),
      () => config.list(tenantA, request),
    ]) {
      lists.push(await world.do(list()));
    }
    return lists.map(({ body }) => Buffer.from(body!).toString());
  };
  const turns = new CountedTurns();
  const inSlices = await answers(turns);
  expect(turns.pauses).toBeGreaterThanOrEqual(2 * 20 * 2 + 2 * 20);
  expect(inSlices).toEqual(await answers());
  expect(JSON.parse(inSlices[0])).toMatchObject({ status: 'success', data: { groups: { length: 20 } } });
});
