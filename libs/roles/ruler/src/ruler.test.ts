/** Protects the running of groups: each of ours, as stored, at its times, through restarts and failures. */
import { LokiError } from '@loki/model';
import { notVectorText } from './evaluate.ts';
import type { RuleOwner } from './owner.ts';
import { PrometheusRuleApi } from './prometheus-api.ts';
import type { Ruler } from './ruler.ts';
import { rulerOptions, RulerWorld, sample, tenantA } from './test/world.ts';

const minute = 60_000;
const alertText = 'name: g\nrules:\n- alert: A\n  expr: e\n'.replace('expr: e', 'expr: vector(1)');

async function started(world: RulerWorld, ...args: Parameters<RulerWorld['ruler']>): Promise<Ruler> {
  const ruler = world.ruler(...args);
  await world.do(ruler.start());
  return ruler;
}

test('a group runs once in its interval, at multiples of it plus its own offset', async () => {
  const world = new RulerWorld();
  await world.put('name: g\ninterval: 10s\nrules:\n- record: r\n  expr: vector(1)\n');
  await started(world);
  await world.pass(60_000);
  const times = world.evaluated.map((each) => Number(each.split('@')[1]));
  expect(times).toHaveLength(6);
  expect(new Set(times.map((time) => time % 10_000)).size).toBe(1);
  expect(times.at(-1)! - times[0]).toBe(50_000);
});

test('rules of a group run one after another at one time; ticks that pass meanwhile are counted', async () => {
  const world = new RulerWorld();
  world.evaluationMs = 12_000;
  await world.put(
    'name: g\ninterval: 10s\nrules:\n- record: r\n  expr: vector(1)\n- record: s\n  expr: vector(2)\n',
  );
  await started(world);
  await world.pass(120_000);
  const [first, second] = world.evaluated.map((each) => each.split('@')[1]);
  expect(first).toBe(second);
  expect(
    await world.metric(
      'loki_prometheus_rule_group_iterations_missed_total{user="a",rule_group="/rules/a/ns;g"}',
    ),
  ).toBeGreaterThan(2);
});

test('recorded series carry name and labels; those that end are marked', async () => {
  const world = new RulerWorld();
  await world.put('name: g\nrules:\n- record: r\n  expr: vector(1)\n  labels: {team: x}\n');
  world.results.set('vector(1)', [sample(1, { app: 'a' }), sample(2, { app: 'b' })]);
  await started(world);
  await world.pass(minute);
  world.results.set('vector(1)', [sample(3, { app: 'b' })]);
  await world.pass(minute);
  const series = world.series.map(({ labels, value }) => [Object.fromEntries(labels), value]);
  expect(series).toEqual([
    [{ __name__: 'r', app: 'a', team: 'x' }, 1],
    [{ __name__: 'r', app: 'b', team: 'x' }, 2],
    [{ __name__: 'r', app: 'b', team: 'x' }, 3],
    [{ __name__: 'r', app: 'a', team: 'x' }, undefined],
  ]);
  expect(world.series[2].timestampMs - world.series[1].timestampMs).toBe(minute);
});

test('alerts are sent, and kept as series', async () => {
  const world = new RulerWorld();
  await world.put(alertText);
  world.results.set('vector(1)', [sample(1, { app: 'a' })]);
  await started(world);
  await world.pass(minute);
  expect(world.alerts).toMatchObject([{ tenant: 'a', state: 'firing', value: 1 }]);
  expect(world.series.map(({ labels }) => Object.fromEntries(labels))).toEqual([
    { __name__: 'ALERTS', alertname: 'A', alertstate: 'firing', app: 'a' },
    { __name__: 'ALERTS_FOR_STATE', alertname: 'A', app: 'a' },
  ]);
  expect(world.series[1].value).toBe(Math.floor(world.alerts[0].activeAtMs / 1000));
});

test('a failing rule says so, keeps its alerts, and fails alone', async () => {
  const world = new RulerWorld();
  await world.put(`${alertText}- record: r\n  expr: vector(2)\n`);
  world.results.set('vector(1)', [sample(1)]);
  world.results.set('vector(2)', [sample(2)]);
  const ruler = await started(world);
  await world.pass(minute);
  world.results.set('vector(1)', new LokiError('timeout', 'too slow'));
  await world.pass(minute);
  const [{ rules }] = ruler.running(tenantA);
  expect(rules[0]).toMatchObject({ health: 'err', lastError: 'too slow' });
  expect([...rules[0].alerts.values()]).toMatchObject([{ state: 'firing' }]);
  expect(rules[1]).toMatchObject({ health: 'ok', lastError: '' });
  const labels = '{user="a",rule_group="/rules/a/ns;g"}';
  expect(await world.metric(`loki_prometheus_rule_evaluation_failures_total${labels}`)).toBe(1);
  expect(await world.metric(`loki_prometheus_rule_evaluations_total${labels}`)).toBe(4);
  expect(await world.metric(`loki_prometheus_rule_group_rules${labels}`)).toBe(2);
  // A fault of ours shows nothing of the inside.
  world.results.set('vector(1)', new TypeError('secret'));
  await world.pass(minute);
  expect(rules[0]).toMatchObject({ health: 'err', lastError: 'internal error' });
});

test('more series than the limit: an error, nothing recorded, alerts void', async () => {
  const world = new RulerWorld();
  await world.put(
    'name: g\nlimit: 1\nrules:\n- record: r\n  expr: vector(1)\n- alert: A\n  expr: vector(1)\n',
  );
  world.results.set('vector(1)', [sample(1, { a: '1' })]);
  const ruler = await started(world);
  await world.pass(minute);
  const count = world.series.length;
  world.results.set('vector(1)', [sample(1, { a: '1' }), sample(1, { a: '2' })]);
  await world.pass(minute);
  const [{ rules }] = ruler.running(tenantA);
  expect(rules.map(({ lastError }) => lastError)).toEqual([
    'exceeded limit of 1 with 2 series',
    'exceeded limit of 1 with 2 alerts',
  ]);
  expect(rules[1].alerts.size).toBe(0);
  expect(world.series).toHaveLength(count);
});

describe('as the store changes', () => {
  test('new groups begin, changed ones go on with what is the same, deleted ones end', async () => {
    const world = new RulerWorld();
    world.results.set('vector(1)', [sample(1)]);
    const ruler = await started(world);
    expect(ruler.running(tenantA)).toEqual([]);
    await world.put(`${alertText}  for: 10m\n`);
    await world.pass(2 * minute);
    expect(ruler.running(tenantA)).toHaveLength(1);
    const [before] = ruler.running(tenantA)[0].rules[0].alerts.values();
    expect(before.state).toBe('pending');
    await world.put(`${alertText}  for: 10m\n  annotations: {a: b}\n- record: r\n  expr: vector(1)\n`);
    await world.pass(2 * minute);
    const [after] = ruler.running(tenantA)[0].rules[0].alerts.values();
    expect(after.activeAtMs).toBe(before.activeAtMs);
    await world.do(world.store.delete(tenantA, 'ns', 'g'));
    world.series.length = 0;
    await world.pass(2 * minute);
    expect(ruler.running(tenantA)).toEqual([]);
    expect(world.series.every(({ value }) => value === undefined)).toBe(true);
    expect(world.series.length).toBeGreaterThan(0);
    expect([...world.bucket.objects.keys()]).toEqual([]);
  });

  test('a change by the API counts at once, and a slow look at the store does not undo it', async () => {
    const world = new RulerWorld();
    const ruler = await started(world);
    const syncing = ruler.sync('periodic');
    const placed = await world.put(alertText);
    await world.do(ruler.groupPut(placed));
    await world.do(syncing);
    expect(ruler.running(tenantA)).toHaveLength(1);
    await world.do(world.store.delete(tenantA, 'ns', 'g'));
    await world.do(ruler.groupDeleted(tenantA, 'ns', 'g'));
    expect(ruler.running(tenantA)).toEqual([]);
  });

  test('while the store fails everything goes on; damage to one group concerns that one', async () => {
    const world = new RulerWorld();
    await world.put(alertText);
    await world.put(alertText.replace('name: g', 'name: h'));
    const ruler = await started(world);
    const key = [...world.bucket.objects.keys()].find(
      (each) => each.startsWith('rules/') && each.endsWith(Buffer.from('g').toString('base64url')),
    )!;
    world.bucket.objects.set(key, Buffer.from('name: other\nrules: ['));
    await world.pass(2 * minute);
    expect(ruler.running(tenantA).map(({ placed }) => placed.group.name)).toEqual(['g', 'h']);
    expect(await world.metric('loki_ruler_config_last_reload_successful{user="a"}')).toBe(0);
    const restarted = await started(world);
    expect(restarted.running(tenantA).map(({ placed }) => placed.group.name)).toEqual(['h']);
  });

  test('tenants can be left out', async () => {
    const world = new RulerWorld();
    await world.put(alertText);
    expect((await started(world, { disabledTenants: ['a'] })).running(tenantA)).toEqual([]);
    expect((await started(world, { enabledTenants: ['b'] })).running(tenantA)).toEqual([]);
    expect((await started(world, { enabledTenants: ['a'] })).running(tenantA)).toHaveLength(1);
  });
});

describe('across restarts', () => {
  test('a pending alert has not waited in vain', async () => {
    const world = new RulerWorld();
    await world.put(`${alertText}  for: 5m\n`);
    world.results.set('vector(1)', [sample(1)]);
    const first = await started(world);
    await world.pass(4 * minute);
    const [before] = first.running(tenantA)[0].rules[0].alerts.values();
    await world.do(first.stop());
    const second = await started(world);
    await world.pass(3 * minute);
    const [after] = second.running(tenantA)[0].rules[0].alerts.values();
    expect(after.state).toBe('firing');
    expect(after.activeAtMs - before.activeAtMs).toBeLessThan(2 * minute);
  });

  test('an alert that resolved during the outage is told as resolved', async () => {
    const world = new RulerWorld();
    await world.put(alertText);
    world.results.set('vector(1)', [sample(1)]);
    const first = await started(world);
    await world.pass(2 * minute);
    // Killed, not stopped: what the last evaluation saved must do.
    void first;
    world.results.set('vector(1)', []);
    const killed = world.alerts.length;
    const second = await started(world);
    await world.pass(2 * minute);
    expect(world.alerts.slice(killed).map(({ state }) => state)).toContain('inactive');
    expect(second.running(tenantA)[0].rules[0].alerts.size).toBe(1);
  });

  test('saved state older than the tolerance is dropped', async () => {
    const world = new RulerWorld();
    await world.put(`${alertText}  for: 5m\n`);
    world.results.set('vector(1)', [sample(1)]);
    const first = await started(world);
    await world.pass(4 * minute);
    await world.do(first.stop());
    await world.pass(rulerOptions.forOutageToleranceMs);
    const second = await started(world);
    await world.pass(2 * minute);
    const [alert] = second.running(tenantA)[0].rules[0].alerts.values();
    expect(world.nowMs - alert.activeAtMs).toBeLessThan(2 * minute);
  });

  test('damaged state is no state', async () => {
    const world = new RulerWorld();
    await world.put(`${alertText}  for: 5m\n`);
    world.results.set('vector(1)', [sample(1)]);
    const first = await started(world);
    await world.pass(4 * minute);
    await world.do(first.stop());
    const key = [...world.bucket.objects.keys()].find((each) => each.startsWith('ruler-alerts/'))!;
    for (const text of [
      '',
      '{',
      '{"version":1,"evaluatedAtMs":1e12,"rules":[{"identity":"x","alerts":[{}]}]}',
      '[]',
    ]) {
      world.bucket.objects.set(key, Buffer.from(text));
      const next = await started(world);
      await world.pass(2 * minute);
      expect(next.running(tenantA)[0].rules[0].health).toBe('ok');
      await world.do(next.stop());
    }
  });

  test('alerts that wait are saved each minute, others when they change', async () => {
    const world = new RulerWorld();
    await world.put(`${alertText}  for: 1h\n`);
    const puts: string[] = [];
    world.results.set('vector(1)', []);
    const ruler = await started(world);
    const stateKeys = () => [...world.bucket.objects.keys()].filter((key) => key.startsWith('ruler-alerts/'));
    await world.pass(3 * minute);
    expect(stateKeys()).toEqual([]);
    world.results.set('vector(1)', [sample(1)]);
    for (let i = 0; i < 3; i++) {
      await world.pass(minute);
      puts.push(world.bucket.objects.get(stateKeys()[0])!.toString());
    }
    expect(new Set(puts).size).toBe(3);
    await world.do(ruler.stop());
  });
});

test('groups change hands as the ring says, and take their alerts with them', async () => {
  const world = new RulerWorld();
  await world.put(`${alertText}  for: 1h\n`);
  world.results.set('vector(1)', [sample(1)]);
  let owner = 0;
  const listeners: (() => void)[] = [];
  const shareOf = (index: number): RuleOwner => ({
    owns: (_tenant, key) => key === 'a/ns/g' && owner === index,
    onChange: (callback) => {
      listeners.push(callback);
      return () => {};
    },
  });
  const rulers = [await started(world, {}, shareOf(0)), await started(world, {}, shareOf(1))];
  await world.pass(3 * minute);
  expect(rulers.map((ruler) => ruler.running(tenantA).length)).toEqual([1, 0]);
  const [before] = rulers[0].running(tenantA)[0].rules[0].alerts.values();
  owner = 1;
  for (const listener of listeners) listener();
  await world.pass(3 * minute);
  expect(rulers.map((ruler) => ruler.running(tenantA).length)).toEqual([0, 1]);
  const [after] = rulers[1].running(tenantA)[0].rules[0].alerts.values();
  expect(after.activeAtMs - before.activeAtMs).toBeLessThan(2 * minute);
});

interface RulesAnswer {
  readonly data: { readonly groups: { readonly rules: { readonly name: string }[] }[] };
}

describe("Prometheus' API", () => {
  async function answerTo(query: string): Promise<RulesAnswer> {
    const world = new RulerWorld();
    await world.put(
      `${alertText}  for: 5m\n  labels: {l: x}\n  annotations: {a: y}\n- record: r\n  expr: vector(2)\n- alert: B\n  expr: '{a="b"}'\n`,
    );
    await world.put('name: g2\ninterval: 30s\nlimit: 3\nrules:\n- record: r2\n  expr: vector(2)\n', 'other');
    world.results.set('vector(1)', [sample(2, { app: '<a>' })]);
    world.results.set('vector(2)', [sample(Number.NaN)]);
    world.results.set('{a="b"}', new LokiError('badRequest', notVectorText));
    const ruler = await started(world);
    await world.pass(minute);
    const request = { queryText: query, signal: new AbortController().signal } as never;
    const { body } = await new PrometheusRuleApi({ ruler }).rules(tenantA, request);
    return JSON.parse(String(body)) as RulesAnswer;
  }
  const time = expect.stringMatching(/^2024-01-01T00:0\d:\d\d(?:\.\d+)?Z$/);
  const evaluation = { lastEvaluation: time, evaluationTime: expect.any(Number) };

  test('shows groups as Prometheus does', async () => {
    expect(await answerTo('')).toEqual({
      status: 'success',
      data: {
        groups: [
          {
            name: 'g',
            file: 'ns',
            rules: [
              {
                state: 'pending',
                name: 'A',
                query: 'vector(1.000000)',
                duration: 300,
                labels: { l: 'x' },
                annotations: { a: 'y' },
                alerts: [
                  {
                    labels: { alertname: 'A', app: '<a>', l: 'x' },
                    annotations: { a: 'y' },
                    state: 'pending',
                    activeAt: time,
                    value: '2e+00',
                  },
                ],
                health: 'ok',
                lastError: '',
                type: 'alerting',
                ...evaluation,
              },
              {
                name: 'r',
                query: 'vector(2.000000)',
                labels: {},
                health: 'ok',
                lastError: '',
                type: 'recording',
                ...evaluation,
              },
              {
                state: 'inactive',
                name: 'B',
                query: '{a="b"}',
                duration: 0,
                labels: {},
                annotations: {},
                alerts: [],
                health: 'err',
                lastError: 'rule result is not a vector or scalar',
                type: 'alerting',
                ...evaluation,
              },
            ],
            interval: 60,
            limit: 0,
            ...evaluation,
          },
          {
            name: 'g2',
            file: 'other',
            rules: [
              {
                name: 'r2',
                query: 'vector(2.000000)',
                labels: {},
                health: 'ok',
                lastError: '',
                type: 'recording',
                ...evaluation,
              },
            ],
            interval: 30,
            limit: 3,
            ...evaluation,
          },
        ],
      },
      errorType: '',
      error: '',
    });
  });

  test.each([
    ['type=alert', ['A', 'B']],
    ['type=record', ['r', 'r2']],
    ['file[]=other', ['r2']],
    ['file[]=ns&rule_group[]=g2', []],
    ['rule_group[]=g&rule_name[]=r&rule_name[]=A', ['A', 'r']],
  ])('%s', async (query, names) => {
    const { data } = await answerTo(query);
    const ruleNames = data.groups.flatMap((group) => group.rules.map(({ name }) => name));
    expect(ruleNames).toEqual(names);
  });

  test('an unknown type is refused', async () => {
    await expect(answerTo('type=zz')).rejects.toThrow('not supported value "zz"');
  });
});

test('a group that waits behind the evaluations of others is deleted at once', async () => {
  const world = new RulerWorld();
  world.evaluationMs = 60 * minute;
  const exprs = Array.from({ length: 17 }, (_, i) => `vector(${i})`);
  for (const [i, expr] of exprs.entries()) {
    await world.put(`name: g${i}\ninterval: 10s\nrules:\n- record: r\n  expr: ${expr}\n`);
  }
  const ruler = await started(world);
  await world.pass(minute);
  const evaluated = world.evaluated.map((each) => each.split('@')[0]);
  const waiting = exprs.filter((expr) => !evaluated.includes(expr));
  expect(waiting).toHaveLength(1);
  const { nowMs } = world;
  await world.do(ruler.groupDeleted(tenantA, 'ns', `g${exprs.indexOf(waiting[0])}`));
  expect(world.nowMs - nowMs).toBeLessThan(minute);
  expect(ruler.running(tenantA)).toHaveLength(16);
});
