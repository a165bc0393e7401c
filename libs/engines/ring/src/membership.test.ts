import type { RingNews, RingPut, RingStore } from '@loki/ports';
import { MemoryRingStore } from '@loki/ring-store';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { decodeInstance } from './instance.ts';
import { ownedPartitions, partitionLeadership } from './partitions.ts';
import { RingMember } from './ring-member.ts';
import { RingView } from './ring-view.ts';

const key = 'collectors/ring';

/** A store that can be away, and whose value can be replaced behind everybody's back. */
class TroubledStore implements RingStore {
  readonly inner = new MemoryRingStore();
  isAway = false;
  refusesWrites = false;

  async entries(name: string): Promise<ReadonlyMap<string, string>> {
    if (this.isAway) throw new Error('connection refused');
    return this.inner.entries(name);
  }

  async get(name: string, id: string): Promise<string | undefined> {
    if (this.isAway) throw new Error('connection refused');
    return this.inner.get(name, id);
  }

  async put(entry: RingPut): Promise<void> {
    this.#write();
    return this.inner.put(entry);
  }

  async remove(name: string, id: string, value: string): Promise<boolean> {
    this.#write();
    return this.inner.remove(name, id, value);
  }

  watch(name: string, onNews: (news: RingNews | undefined) => void): () => void {
    return this.inner.watch(name, onNews);
  }

  /** A change that no member made, and that is not published. */
  async replace(entries: ReadonlyMap<string, string>): Promise<void> {
    for (const [id, value] of await this.inner.entries(key)) await this.inner.remove(key, id, value);
    for (const [id, value] of entries) await this.inner.put({ key, id, value, isNews: false });
  }

  #write(): void {
    if (this.isAway) throw new Error('connection refused');
    if (this.refusesWrites) throw new Error('OOM command not allowed');
  }

  async close(): Promise<void> {
    await this.inner.close();
  }
}

interface Node {
  readonly process: VirtualProcess;
  readonly member: RingMember;
  readonly view: RingView;
  /** Partitions owned, each time they changed. */
  readonly history: string[];
}

interface AddOptions {
  readonly clockOffsetMs?: number;
  readonly autoForgetMs?: number;
  /** Of the process. Default: the member's id. */
  readonly name?: string;
}

class Cluster {
  readonly scheduler = new VirtualScheduler('ring');
  readonly store = new TroubledStore();
  readonly nodes = new Map<string, Node>();

  async add(id: string, options: AddOptions = {}): Promise<Node> {
    const process = new VirtualProcess(this.scheduler, options.name ?? id);
    process.clock.offsetMs = options.clockOffsetMs ?? 0;
    const { clock, timers, random } = process;
    const { store } = this;
    const view = new RingView({ store, key, clock, timers });
    const member = new RingMember({
      store,
      key,
      clock,
      timers,
      random,
      id,
      view,
      address: `${options.name ?? id}:9095`,
      zone: `zone-${id}`,
      autoForgetMs: options.autoForgetMs,
    });
    await this.scheduler.settle(view.start());
    await this.scheduler.settle(member.start());
    await this.scheduler.settle(member.activate());
    const history: string[] = [];
    const partitions = { owned: 12, onChange: () => () => undefined };
    ownedPartitions(view, id, { partitions, replicationFactor: 1 })((owned) => history.push(owned.join()));
    const node = { process, member, view, history };
    this.nodes.set(options.name ?? id, node);
    return node;
  }

  kill(id: string): void {
    this.nodes.get(id)!.process.kill();
    this.nodes.delete(id);
  }

  async pass(ms: number): Promise<void> {
    await this.scheduler.run({ untilMs: this.scheduler.nowMs + ms });
  }

  /** Members that each node thinks may own something. */
  seen(): string[] {
    return [...this.nodes.values()].map(({ view }) => view.ring.eligible.map((each) => each.id).join());
  }

  changes(): number {
    return [...this.nodes.values()].reduce((sum, node) => sum + node.history.length, 0);
  }
}

async function three(options?: { autoForgetMs?: number }): Promise<Cluster> {
  const cluster = new Cluster();
  for (const id of ['a', 'b', 'c']) await cluster.add(id, options);
  await cluster.pass(20_000);
  expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c', 'a,b,c']);
  return cluster;
}

describe('membership', () => {
  test('every partition has one leader, and all agree on it', async () => {
    const cluster = await three();
    for (let p = 0; p < 12; p++) {
      const leaders = [...cluster.nodes].filter(([id, { view }]) => partitionLeadership(view, id)(p));
      expect(leaders).toHaveLength(1);
    }
    const owned = [...cluster.nodes.values()].flatMap(({ history }) =>
      history.at(-1)!.split(',').filter(Boolean),
    );
    expect(owned.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, p) => p));
  });

  test('a crashed member is passed over after the heartbeat timeout, not before, and comes back to the same place', async () => {
    const cluster = await three();
    const { history } = cluster.nodes.get('a')!;
    const before = history.at(-1);
    cluster.kill('b');
    await cluster.pass(50_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c']);
    await cluster.pass(25_000);
    expect(cluster.seen()).toEqual(['a,c', 'a,c']);
    expect(cluster.nodes.get('a')!.view.ring.get('b')?.isHealthy).toBe(false);
    expect(history.at(-1)).not.toBe(before);
    await cluster.add('b');
    await cluster.pass(10_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c', 'a,b,c']);
    expect(history.at(-1)).toBe(before);
  });

  test('who leaves hands over at once, and is gone when it stops', async () => {
    const cluster = await three();
    const { member } = cluster.nodes.get('c')!;
    await cluster.scheduler.settle(member.leave());
    await cluster.pass(10);
    expect(cluster.nodes.get('a')!.view.ring.eligible.map((each) => each.id)).toEqual(['a', 'b']);
    expect(cluster.nodes.get('a')!.view.ring.get('c')?.state).toBe('LEAVING');
    await cluster.scheduler.settle(member.stop());
    await cluster.pass(10);
    expect(cluster.nodes.get('a')!.view.ring.get('c')).toBeUndefined();
    await cluster.pass(60_000);
    expect(cluster.nodes.get('a')!.view.ring.get('c')).toBeUndefined();
  });

  test('who stops without unregistering keeps its place until the timeout', async () => {
    const cluster = await three();
    await cluster.scheduler.settle(cluster.nodes.get('c')!.member.stop({ unregister: false }));
    cluster.kill('c');
    await cluster.pass(40_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c']);
  });
});

describe('a process and its successor of the same id', () => {
  /** The addresses that others may count on. */
  const addresses = (cluster: Cluster): string[] =>
    cluster.nodes.get('a')!.view.ring.eligible.map(({ address }) => address);

  test('the one before leaves the entry to it, and takes nothing away when it goes', async () => {
    const cluster = await three();
    const before = cluster.nodes.get('c')!;
    await cluster.add('c', { name: 'next' });
    const seen = new Set<string>();
    cluster.nodes
      .get('a')!
      .view.onChange((ring) => seen.add(ring.eligible.map(({ address }) => address).join()));
    await cluster.pass(30_000);
    await cluster.scheduler.settle(before.member.leave());
    await cluster.pass(2_000);
    await cluster.scheduler.settle(before.member.stop());
    cluster.kill('c');
    await cluster.pass(30_000);
    expect([...seen]).toEqual(['a:9095,b:9095,next:9095']);
  });

  test('the one before takes the entry back when its successor is silent', async () => {
    const cluster = await three();
    await cluster.add('c', { name: 'next' });
    await cluster.pass(20_000);
    cluster.kill('next');
    await cluster.pass(25_000);
    expect(addresses(cluster)).toEqual(['a:9095', 'b:9095', 'c:9095']);
  });

  test('a store that was rewound to the one before is corrected at the next heartbeat', async () => {
    const cluster = await three();
    const old = await cluster.store.inner.entries(key);
    cluster.kill('c');
    await cluster.add('c', { name: 'next' });
    await cluster.pass(20_000);
    await cluster.store.replace(old);
    await cluster.pass(6_000);
    expect(addresses(cluster)).toEqual(['a:9095', 'b:9095', 'next:9095']);
  });
});

describe('a store in trouble', () => {
  test('with the store away for an hour nobody moves', async () => {
    const cluster = await three();
    const before = cluster.changes();
    cluster.store.isAway = true;
    await cluster.pass(3_600_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c', 'a,b,c']);
    cluster.store.isAway = false;
    await cluster.pass(120_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c', 'a,b,c']);
    expect(cluster.changes()).toBe(before);
  });

  test('with a store that answers and refuses writes for an hour nobody moves', async () => {
    const cluster = await three();
    const before = cluster.changes();
    cluster.store.refusesWrites = true;
    await cluster.pass(3_600_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c', 'a,b,c']);
    cluster.store.refusesWrites = false;
    await cluster.pass(120_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c', 'a,b,c']);
    expect(cluster.changes()).toBe(before);
  });

  test('a member that dies while the store refuses writes is passed over once it takes them', async () => {
    const cluster = await three();
    cluster.store.refusesWrites = true;
    cluster.kill('b');
    await cluster.pass(600_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c']);
    cluster.store.refusesWrites = false;
    await cluster.pass(75_000);
    expect(cluster.seen()).toEqual(['a,c', 'a,c']);
  });

  test('the last member of a ring is passed over by a process that writes to the store itself', async () => {
    const cluster = new Cluster();
    const { member } = await cluster.add('a');
    const { clock, timers } = new VirtualProcess(cluster.scheduler, 'watcher');
    const open = (lastWriteMs?: () => number) => {
      return new RingView({ store: cluster.store, key, clock, timers, lastWriteMs });
    };
    const [watching, writing] = [open(), open(() => clock.monotonicMs())];
    for (const view of [watching, writing]) await cluster.scheduler.settle(view.start());
    await cluster.pass(20_000);
    await cluster.scheduler.settle(member.stop({ unregister: false }));
    cluster.kill('a');
    await cluster.pass(90_000);
    expect(watching.ring.eligible).toHaveLength(1);
    expect(writing.ring.eligible).toHaveLength(0);
  });

  test('a member that dies while the store is away is passed over once the store is back', async () => {
    const cluster = await three();
    cluster.store.isAway = true;
    await cluster.pass(60_000);
    cluster.kill('b');
    await cluster.pass(600_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c']);
    cluster.store.isAway = false;
    await cluster.pass(75_000);
    expect(cluster.seen()).toEqual(['a,c', 'a,c']);
  });

  test.each<[string, ReadonlyMap<string, string>]>([
    ['wiped', new Map()],
    ['filled with something else', new Map(['a', 'b', 'c'].map((id) => [id, 'no member']))],
  ])('a store that was %s is rebuilt within one heartbeat, and nobody moves', async (_name, entries) => {
    const cluster = await three();
    const before = cluster.changes();
    await cluster.store.replace(entries);
    await cluster.pass(6_000);
    const rebuilt = await cluster.store.inner.entries(key);
    expect([...rebuilt].map(([id, entry]) => decodeInstance(id, entry)?.state)).toEqual(
      Array.from({ length: 3 }, () => 'ACTIVE'),
    );
    await cluster.pass(180_000);
    expect(cluster.seen()).toEqual(['a,b,c', 'a,b,c', 'a,b,c']);
    expect(cluster.changes()).toBe(before);
  });

  test('a store that was rewound is corrected, and who had left before does not come back', async () => {
    const cluster = await three();
    const old = await cluster.store.inner.entries(key);
    await cluster.scheduler.settle(cluster.nodes.get('c')!.member.leave());
    await cluster.scheduler.settle(cluster.nodes.get('c')!.member.stop());
    cluster.kill('c');
    await cluster.pass(300_000);
    expect(cluster.seen()).toEqual(['a,b', 'a,b']);
    const before = cluster.changes();
    await cluster.store.replace(old);
    await cluster.pass(300_000);
    expect(cluster.seen()).toEqual(['a,b', 'a,b']);
    expect(cluster.changes()).toBe(before);
  });

  test('clocks that are a day off in either direction move nobody', async () => {
    const cluster = await three();
    await cluster.add('d', { clockOffsetMs: 86_400_000 });
    await cluster.add('e', { clockOffsetMs: -86_400_000 });
    await cluster.pass(20_000);
    expect(new Set(cluster.seen())).toEqual(new Set(['a,b,c,d,e']));
    const before = cluster.changes();
    cluster.nodes.get('a')!.process.clock.offsetMs = -86_400_000;
    cluster.nodes.get('b')!.process.clock.offsetMs = 86_400_000;
    await cluster.pass(300_000);
    expect(new Set(cluster.seen())).toEqual(new Set(['a,b,c,d,e']));
    expect(cluster.changes()).toBe(before);
  });

  test('a process that was paused does not think that all others died', async () => {
    const cluster = await three();
    const before = cluster.nodes.get('a')!.history.length;
    cluster.nodes.get('a')!.process.pause(600_000);
    await cluster.pass(700_000);
    expect(cluster.nodes.get('a')!.history.length).toBe(before);
    expect(new Set(cluster.seen())).toEqual(new Set(['a,b,c']));
  });

  test('a member silent for long is forgotten only where that is asked for', async () => {
    for (const autoForgetMs of [undefined, 120_000]) {
      const cluster = await three({ autoForgetMs });
      cluster.kill('b');
      await cluster.pass(100_000);
      expect((await cluster.store.inner.entries(key)).has('b')).toBe(true);
      await cluster.pass(60_000);
      const isKept = (await cluster.store.inner.entries(key)).has('b');
      expect(isKept).toBe(autoForgetMs === undefined);
      if (isKept) await cluster.scheduler.settle(cluster.nodes.get('a')!.member.forget('b'));
      await cluster.pass(10);
      expect(cluster.nodes.get('c')!.view.ring.get('b')).toBeUndefined();
    }
  });
});
