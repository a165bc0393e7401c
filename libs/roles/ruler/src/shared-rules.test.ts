/**
 * Protects: rulers that share a ring evaluate each group once while rulers come, go or die, and no alert is
 * sent twice.
 */
import { RingMember, RingView, WorkShare } from '@loki/ring';
import { MemoryRingStore } from '@loki/ring-store';
import type { VirtualProcess } from '@loki/virtual';
import { PrometheusRuleApi } from './prometheus-api.ts';
import type { RulerPeers } from './prometheus-api.ts';
import { RuleConfigApi } from './rule-config-api.ts';
import type { Ruler } from './ruler.ts';
import { limitsOf, RulerWorld, sample, tenantA } from './test/world.ts';

const minute = 60_000;
const groupNames = Array.from({ length: 12 }, (_, i) => `group-${i}`);

interface Node {
  readonly id: string;
  readonly process: VirtualProcess;
  readonly member: RingMember;
  readonly ruler: Ruler;
  readonly api: PrometheusRuleApi;
}

class SharedWorld extends RulerWorld {
  readonly ringStore = new MemoryRingStore();
  readonly nodes: Node[] = [];

  async join(id: string): Promise<Node> {
    const process = this.newProcess();
    const { clock, timers, random } = process;
    const shared = { store: this.ringStore, key: 'ruler', clock, timers };
    const view = new RingView(shared);
    const member = new RingMember({ ...shared, random, id, address: id, view });
    await this.do(view.start());
    const share = new WorkShare(view, id);
    const ruler = this.ruler(
      {},
      { owns: (_, key) => share.owns(key), onChange: (call) => share.onChange(call) },
      process,
    );
    await this.do(ruler.start());
    await this.do(member.start().then(() => member.activate()));
    const peers: RulerPeers = {
      groups: async () => {
        const others = view.ring.eligible.filter((each) => each.id !== id);
        const alive = this.nodes.filter(
          (node) => node.process.alive && others.some((each) => each.id === node.id),
        );
        return {
          groups: (await Promise.all(alive.map((node) => node.api.own(tenantA)))).flat(),
          isComplete: alive.length === others.length,
        };
      },
      rulesChanged: async (tenant) => {
        const others = this.nodes.filter((node) => node.id !== id && node.process.alive);
        await Promise.all(others.map((node) => node.ruler.rulesChanged(tenant)));
      },
    };
    const node = { id, process, member, ruler, api: new PrometheusRuleApi({ ruler, peers }) };
    this.nodes.push(node);
    return node;
  }

  async leave(node: Node): Promise<void> {
    await this.do(node.member.leave());
    await this.do(node.ruler.stop());
    await this.do(node.member.stop());
    node.process.kill();
  }

  /** Names of the groups that run, by node. */
  shares(): string[][] {
    return this.nodes
      .filter(({ process }) => process.alive)
      .map(({ ruler }) => ruler.running(tenantA).map(({ placed }) => placed.group.name));
  }

  async visibleGroups(node: Node): Promise<ShownGroup[]> {
    const request = { queryText: '', signal: new AbortController().signal } as never;
    const { body } = await this.do(node.api.rules(tenantA, request));
    return (JSON.parse(String(body)) as { data: { groups: ShownGroup[] } }).data.groups;
  }
}

interface ShownGroup {
  readonly name: string;
  readonly lastEvaluation: string;
  readonly rules: readonly {
    readonly health: string;
    readonly state: string;
    readonly alerts: { activeAt: string }[];
  }[];
}

async function withGroups(fields = ''): Promise<SharedWorld> {
  const world = new SharedWorld();
  for (const name of groupNames) {
    await world.put(`name: ${name}\nrules:\n- alert: ${name}\n  expr: ${exprOf(name)}\n${fields}`);
    world.results.set(exprOf(name), [sample(1)]);
  }
  return world;
}

function exprOf(name: string): string {
  return `vector(${name.slice(6)})`;
}

const byNumber = (a: number, b: number) => a - b;

/** When a group was evaluated, by its expression. */
function ticksOf(world: SharedWorld, name: string): number[] {
  const prefix = `${exprOf(name)}@`;
  return world.evaluated
    .filter((each) => each.startsWith(prefix))
    .map((each) => Number(each.slice(prefix.length)))
    .sort(byNumber);
}

/** Pauses between one and the next. */
function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - times[i]);
}

test('each group runs on one of two rulers, and every tick is evaluated once while rulers come and go', async () => {
  const world = await withGroups();
  const a = await world.join('ruler-a');
  await world.pass(3 * minute);
  expect(world.shares()).toEqual([[...groupNames].sort()]);
  const b = await world.join('ruler-b');
  await world.pass(5 * minute);
  const [ofA, ofB] = world.shares();
  expect([...ofA, ...ofB].sort()).toEqual([...groupNames].sort());
  expect(Math.min(ofA.length, ofB.length)).toBeGreaterThan(0);
  await world.join('ruler-c');
  await world.pass(5 * minute);
  await world.leave(a);
  await world.pass(5 * minute);
  await world.leave(b);
  await world.pass(5 * minute);
  expect(world.shares()).toEqual([[...groupNames].sort()]);
  for (const name of groupNames) {
    const times = ticksOf(world, name);
    expect(times.length).toBeGreaterThan(20);
    expect([name, gaps(times)]).toEqual([name, times.slice(1).map(() => minute)]);
  }
});

test('an alert that moves is told as often as one that stays, and its `for` goes on', async () => {
  const world = await withGroups('  for: 4m\n');
  const a = await world.join('ruler-a');
  await world.pass(2.5 * minute);
  const before = new Map(
    (await world.visibleGroups(a)).map(({ name, rules }) => [name, rules[0].alerts[0].activeAt]),
  );
  const b = await world.join('ruler-b');
  await world.pass(minute);
  const moved = world.shares()[1];
  expect(moved.length).toBeGreaterThan(0);
  for (const { name, rules } of await world.visibleGroups(b)) {
    expect(rules[0].alerts[0].activeAt).toBe(before.get(name));
  }
  expect(world.alerts).toEqual([]);
  await world.pass(6 * minute);
  for (const name of groupNames) {
    const sent = world.alerts.filter(({ labels }) => labels.some(([, value]) => value === name));
    // Four minutes after it became active, no later for having moved, and then as often as resend_delay says.
    expect([name, sent[0].atMs - Date.parse(before.get(name)!)]).toEqual([name, 4 * minute]);
    expect(gaps(sent.map(({ atMs }) => atMs)).every((gap) => gap === minute)).toBe(true);
  }
});

test('what a killed ruler ran is shown as it left it, and then run by the others', async () => {
  const world = await withGroups();
  const [a, b] = [await world.join('ruler-a'), await world.join('ruler-b')];
  await world.pass(4 * minute);
  const before = await world.visibleGroups(b);
  const stopped = world.shares()[0];
  expect(stopped.length).toBeGreaterThan(0);
  const sentCount = world.alerts.length;
  a.process.kill();
  const visible = await world.visibleGroups(b);
  expect(visible.map(({ name }) => name)).toEqual(before.map(({ name }) => name));
  for (const [i, { name, rules, lastEvaluation }] of visible.entries()) {
    expect(rules[0].alerts[0].activeAt).toBe(before[i].rules[0].alerts[0].activeAt);
    expect(rules[0].state).toBe('firing');
    expect(lastEvaluation).toBe(before[i].lastEvaluation);
    expect(rules[0].health).toBe(stopped.includes(name) ? 'unknown' : 'ok');
  }
  // A minute of silence, and the ring gives its groups away.
  await world.pass(4 * minute);
  expect(world.shares()).toEqual([[...groupNames].sort()]);
  for (const [i, { rules }] of (await world.visibleGroups(b)).entries()) {
    expect(rules[0].health).toBe('ok');
    expect(rules[0].alerts[0].activeAt).toBe(before[i].rules[0].alerts[0].activeAt);
  }
  for (const name of stopped) {
    const times = world.alerts
      .slice(sentCount)
      .filter(({ labels }) => labels.some(([, value]) => value === name));
    // Told at its ticks, give or take what reading the state of another takes.
    expect(times.length).toBeGreaterThan(1);
    expect(gaps(times.map(({ atMs }) => atMs)).every((gap) => gap > minute - 1_000)).toBe(true);
  }
});

test('a tick that the former owner evaluated already is not evaluated again', async () => {
  const world = await withGroups();
  let owner = 0;
  const listeners: (() => void)[] = [];
  const share = (index: number) => ({
    owns: () => owner === index,
    onChange: (call: () => void) => {
      listeners[index] = call;
      return () => undefined;
    },
  });
  const rulers = [world.ruler({}, share(0)), world.ruler({}, share(1))];
  for (const ruler of rulers) await world.do(ruler.start());
  await world.pass(3 * minute);
  // The new owner sees the change at once, the former one ten minutes later: both evaluate.
  owner = 1;
  listeners[1]();
  await world.pass(10 * minute);
  listeners[0]();
  await world.pass(2 * minute);
  for (const name of groupNames) {
    const sent = world.alerts.filter(({ labels }) => labels.some(([, value]) => value === name));
    const first = Math.min(...sent.map(({ atMs }) => atMs));
    expect(sent.filter(({ atMs }) => atMs - first <= 2 * minute)).toHaveLength(3);
  }
  expect(rulers.map((ruler) => ruler.running(tenantA).length)).toEqual([0, groupNames.length]);
});

test('what one ruler’s API changes, its owner runs at once', async () => {
  const world = await withGroups();
  const [a, b] = [await world.join('ruler-a'), await world.join('ruler-b')];
  await world.pass(minute / 10);
  const api = new RuleConfigApi({
    store: world.store,
    limits: limitsOf(),
    ruler: a.ruler,
    peers: {
      rulesChanged: async (tenant) => {
        await b.ruler.rulesChanged(tenant);
      },
    },
  });
  const request = (namespace: string, text: string, groupname = '') =>
    ({
      params: new Map(Object.entries({ namespace, groupname })),
      headers: new Map([['content-type', 'application/yaml']]),
      body: Buffer.from(text),
      queryText: '',
    }) as never;
  for (let i = 0; i < 6; i++) {
    await world.do(
      api.create(tenantA, request('new', `name: new-${i}\nrules:\n- record: r\n  expr: vector(1)\n`)),
    );
  }
  const [ofA, ofB] = world.shares();
  expect([...ofA, ...ofB].filter((name) => name.startsWith('new-'))).toHaveLength(6);
  expect(ofB.some((name) => name.startsWith('new-'))).toBe(true);
  await world.do(api.deleteNamespace(tenantA, request('new', '')));
  expect(world.shares().flat().sort()).toEqual([...groupNames].sort());
});
