import { LokiError } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { joinCompactions } from '../compaction/compaction-manifest.ts';
import type { CompactionManifest } from '../compaction/compaction-manifest.ts';
import { CompactionState } from '../compaction/compaction-state.ts';
import { GroupedLog } from './grouped-log.ts';

// Protects commits of compactors: concurrent ones share few manifests, each caller gets its own outcome, and
// two changes that exclude each other never share a manifest.

class World {
  readonly inner = new MemoryObjectStore();
  creates = 0;
  /** The next answer to a create is lost. */
  losesAnswer = false;
  readonly store = new Proxy(this.inner as ObjectStore, {
    get: (inner, name) => {
      const value = Reflect.get(inner, name) as unknown;
      if (name !== 'putIfAbsent') return typeof value === 'function' ? (value.bind(inner) as unknown) : value;
      return async (...args: Parameters<ObjectStore['putIfAbsent']>) => {
        this.creates++;
        await new Promise((resolve) => setTimeout(resolve, 2));
        const answer = await inner.putIfAbsent(...args);
        if (!this.losesAnswer) return answer;
        this.losesAnswer = false;
        throw new LokiError('unavailable', 'the answer is lost');
      };
    },
  });

  process() {
    const state = new CompactionState();
    const log = new GroupedLog<CompactionManifest>(
      {
        objectStore: this.store,
        state,
        manifestPrefix: 'catalog/compactions/',
        checkpointPrefix: 'catalog/compaction-checkpoints/',
      },
      joinCompactions,
    );
    return { state, log };
  }
}

const flushedOf = (key: string) => ({ key, partition: 0, startOffset: 0, endOffset: 1 });

/** A change that drops one flushed section of a day; undefined once it is done. */
function changeOf({ state }: ReturnType<World['process']>, tenant: string, key: string, day = 1) {
  return (number: number): CompactionManifest | undefined => {
    if (state.day(tenant, day)?.isReplaced(key)) return undefined;
    const change = { tenant, day, flushed: [flushedOf(key)], compacted: [], outputs: [] };
    return { number, createdMs: 1, changes: [change], erased: [] };
  };
}

test('commits that come together share few manifests, and each is told its own', async () => {
  const world = new World();
  const process = world.process();
  const tenants = Array.from({ length: 200 }, (_, i) => `tenant-${i}`);
  const made = await Promise.all(
    tenants.map((tenant) => process.log.append(changeOf(process, tenant, tenant))),
  );
  expect(world.creates).toBeLessThan(8);
  for (const [i, manifest] of made.entries()) {
    expect(manifest!.changes.some(({ tenant }) => tenant === tenants[i])).toBe(true);
  }
  const reader = world.process();
  await reader.log.load();
  expect(tenants.every((tenant) => reader.state.day(tenant, 1)?.isReplaced(tenant))).toBe(true);
});

test('changes of one day of a tenant stand in manifests of their own', async () => {
  const world = new World();
  const process = world.process();
  const keys = ['a', 'b', 'c'];
  const made = await Promise.all(keys.map((key) => process.log.append(changeOf(process, 'tenant', key))));
  expect(made.map((manifest) => manifest!.number)).toEqual([1, 2, 3]);
  await world.process().log.load();
});

test('processes that commit at once lose nothing', async () => {
  const world = new World();
  const processes = [world.process(), world.process(), world.process()];
  await Promise.all(
    processes.flatMap((process, p) =>
      Array.from({ length: 30 }, (_, i) => process.log.append(changeOf(process, `tenant-${i}`, `${p}`, p))),
    ),
  );
  const reader = world.process();
  await reader.log.load();
  for (let i = 0; i < 30; i++) expect(new Set(reader.state.days(`tenant-${i}`))).toEqual(new Set([0, 1, 2]));
});

test('one that cannot be made fails alone; a lost answer fails all, and their next attempt finds them done', async () => {
  const world = new World();
  const process = world.process();
  const boom = () => {
    throw new LokiError('timeout', 'too late');
  };
  const attempt = () =>
    Promise.allSettled([
      process.log.append(changeOf(process, 'a', 'k')),
      process.log.append(boom),
      process.log.append(changeOf(process, 'b', 'k')),
    ]);
  world.losesAnswer = true;
  expect((await attempt()).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  const outcomes = await attempt();
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(outcomes[1]).toMatchObject({ reason: { message: 'too late' } });
  expect(process.state.number).toBe(1);
  expect(process.state.day('b', 1)?.isReplaced('k')).toBe(true);
});

test('who goes away does not wait, and does not end the commit of the others', async () => {
  const world = new World();
  const process = world.process();
  const stop = new AbortController();
  const cancelled = process.log.append(changeOf(process, 'a', 'k'), stop.signal);
  const other = process.log.append(changeOf(process, 'b', 'k'));
  stop.abort(new Error('gone'));
  await expect(cancelled).rejects.toThrow('gone');
  expect((await other)!.number).toBe(1);
});
