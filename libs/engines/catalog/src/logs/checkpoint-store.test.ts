// Protects checkpoints in parts: what they cost, that a part in use is never removed, and what damage costs.
import { LokiError } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { CatalogState } from './catalog-state.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { decodeCheckpoint, encodeCheckpoint, partitionCheckpoints } from './checkpoint.ts';
import { numbered } from './keys.ts';
import { PartitionCatalog } from './partition-catalog.ts';

/** Three segments of two tenants. */
const groupBytes = 400;

function flush(state: CatalogState, tenants = ['a', 'b']): void {
  const { number, endOffset } = state;
  const sections = tenants.map((tenant) => ({ tenant, minNs: 1n, maxNs: 9n, rowCount: 1, lineBytes: 1 }));
  state.fold({
    partition: 0,
    number: number + 1,
    startOffset: endOffset,
    endOffset: endOffset + 10,
    createdMs: 5,
    segment: { key: keyOf(endOffset), sizeBytes: 1, level: 0, sections },
    writers: [['w', number]],
    drops: [],
    erased: [],
  });
}

function drop(state: CatalogState, keys: readonly string[], tenants: readonly string[] = []): void {
  const { number, endOffset } = state;
  const range = { startOffset: endOffset, endOffset };
  const drops = keys.map((key) => ({ key, tenants }));
  state.fold({ partition: 0, number: number + 1, ...range, createdMs: 6, writers: [], drops, erased: [] });
}

const keyOf = (offset: number) => `segments/0/${offset}-${offset + 10}-0123456789abcdef`;

const stateOf = (flushes: number, bytes = groupBytes): CatalogState => {
  const state = new CatalogState(0, undefined, undefined, bytes);
  for (let i = 0; i < flushes; i++) flush(state);
  return state;
};

async function keysOf(store: ObjectStore, prefix = 'catalog/checkpoint-parts/'): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** The state as a process reads it that starts now. */
async function readBack(objectStore: ObjectStore): Promise<CatalogState> {
  const state = new CatalogState(0, undefined, undefined, groupBytes);
  await new CheckpointStore(partitionCheckpoints(0), { objectStore }).load(state);
  return state;
}

function storeOf() {
  const objectStore = new MemoryObjectStore();
  const checkpoints = new CheckpointStore(partitionCheckpoints(0), { objectStore });
  const write = async (state: CatalogState) => checkpoints.write(state, await checkpoints.numbers());
  return { objectStore, checkpoints, write };
}

test('a checkpoint in parts says the same as one in a single object, and its groups stay as they were', async () => {
  const { objectStore, write } = storeOf();
  const state = stateOf(40);
  drop(state, [keyOf(0), keyOf(70), keyOf(80)]);
  drop(state, [keyOf(100), keyOf(110)], ['a']);
  expect(state.groups.length).toBeGreaterThan(8);
  await write(state);
  const copy = await readBack(objectStore);
  expect(encodeCheckpoint(copy)).toEqual(encodeCheckpoint(state));
  const shape = ({ groups }: CatalogState) =>
    [...groups].map(({ segments, bytes }) => [segments.size, bytes]);
  expect(shape(copy)).toEqual(shape(state));
  for (const each of [state, copy]) drop(each, [keyOf(120), keyOf(130)]);
  expect(shape(copy)).toEqual(shape(state));
});

test('only parts that changed since the checkpoint before the last are written', async () => {
  const { objectStore, write } = storeOf();
  const state = stateOf(100);
  for (let i = 0; i < 2; i++) {
    await write(state);
    flush(state);
  }
  const whole = state.groups.length;
  const before = await keysOf(objectStore);
  // Each of the two checkpoints has parts of its own.
  expect(before.length).toBeGreaterThanOrEqual(2 * (whole - 1));
  drop(state, [keyOf(300)], ['a']);
  await write(state);
  const written = (await keysOf(objectStore)).filter((key) => !before.includes(key));
  expect(written.length).toBeLessThanOrEqual(3);
  expect((await keysOf(objectStore)).length).toBeLessThanOrEqual(2 * whole + 3);
  expect(encodeCheckpoint(await readBack(objectStore))).toEqual(encodeCheckpoint(state));
});

test('another process refers to the parts of the first', async () => {
  const { objectStore, write } = storeOf();
  const state = stateOf(60);
  for (let i = 0; i < 2; i++) {
    await write(state);
    flush(state);
  }
  const other = stateOf(0);
  for (let i = 0; i < 62; i++) flush(other);
  const before = await keysOf(objectStore);
  const checkpoints = new CheckpointStore(partitionCheckpoints(0), { objectStore });
  await checkpoints.write(other, await checkpoints.numbers());
  const written = (await keysOf(objectStore)).filter((key) => !before.includes(key));
  expect(written.length).toBeLessThanOrEqual(2);
});

test('groups that drops made small become one', () => {
  const state = stateOf(300, 1_000);
  const groups = state.groups.length;
  const keys = [...state.live.keys()].filter((_, i) => i % 10 !== 0);
  drop(state, keys);
  expect(state.live.size).toBe(30);
  expect(state.groups.length).toBeLessThan(groups / 2);
  drop(state, [...state.live.keys()]);
  expect(state.groups.length).toBe(0);
});

test('a small catalog is written in one object, which the version before reads', async () => {
  const { objectStore, write } = storeOf();
  const state = stateOf(3);
  await write(state);
  expect((await objectStore.get('catalog/checkpoints/0/00000000000000000003')).toString('latin1', 0, 4)).toBe(
    'LCC1',
  );
  expect(await keysOf(objectStore)).toEqual([]);
});

test('many dead segments are parts, too', async () => {
  const { objectStore, write } = storeOf();
  const state = stateOf(0);
  for (let i = 0; i < 9_000; i++) state.dead.set(`segments/0/${i}`, { key: `segments/0/${i}`, droppedMs: i });
  state.number = 1;
  await write(state);
  expect(await keysOf(objectStore)).toHaveLength(3);
  expect((await readBack(objectStore)).dead).toEqual(state.dead);
});

describe('a damaged part', () => {
  async function twoCheckpoints() {
    const { objectStore, write } = storeOf();
    const state = stateOf(40);
    await write(state);
    const former = await keysOf(objectStore);
    const formerBytes = encodeCheckpoint(state);
    flush(state);
    await write(state);
    const newer = (await keysOf(objectStore)).filter((key) => !former.includes(key));
    return { objectStore, state, former, formerBytes, newer };
  }

  test.each([
    [
      'flipped',
      async (store: ObjectStore, key: string) => {
        const bytes = Buffer.from(await store.get(key));
        bytes[9] ^= 4;
        await store.put(key, bytes);
      },
    ],
    [
      'cut',
      async (store: ObjectStore, key: string) => store.put(key, (await store.get(key)).subarray(0, 20)),
    ],
    ['gone', (store: ObjectStore, key: string) => store.delete(key)],
    [
      'of another place',
      async (store: ObjectStore, key: string) => {
        const other = (await keysOf(store)).find((each) => each !== key)!;
        await store.put(key, await store.get(other));
      },
    ],
  ])('is told, and the checkpoint before is read: %s', async (_, damage) => {
    const { objectStore, formerBytes, newer } = await twoCheckpoints();
    await damage(objectStore, newer[3]);
    const texts: string[] = [];
    const checkpoints = new CheckpointStore(partitionCheckpoints(0), {
      objectStore,
      onDamage: (text) => texts.push(text),
    });
    const read = new CatalogState(0, undefined, undefined, groupBytes);
    expect(await checkpoints.load(read)).toBe(40);
    expect(encodeCheckpoint(read)).toEqual(formerBytes);
    expect(texts).toEqual([expect.stringContaining(newer[3])]);
    expect(await checkpoints.isSound(41)).toBe(false);
    expect(await checkpoints.isSound(40)).toBe(true);
  });

  test('a process that read a damaged part writes it again', async () => {
    const { objectStore, state, former } = await twoCheckpoints();
    await objectStore.put(former[2], Buffer.from('damage'));
    const checkpoints = new CheckpointStore(partitionCheckpoints(0), { objectStore });
    expect(await checkpoints.isSound(40)).toBe(false);
    flush(state);
    await checkpoints.write(state, await checkpoints.numbers());
    expect(await checkpoints.isSound(42)).toBe(true);
  });
});

test('a writer that stood still takes its checkpoint back when its parts may be gone', async () => {
  const { objectStore, write } = storeOf();
  const state = stateOf(40);
  for (let i = 0; i < 2; i++) {
    await write(state);
    flush(state);
  }
  // The sleeper looked at the store, and puts its root after others have written two checkpoints more.
  const sleeper = stateOf(42);
  flush(sleeper);
  const other = stateOf(43);
  drop(other, [...other.live.keys()].slice(0, 20));
  let isAsleep = true;
  const puts = objectStore.putIfAbsent.bind(objectStore);
  objectStore.putIfAbsent = async (key, bytes) => {
    if (isAsleep && key === 'catalog/checkpoints/0/00000000000000000043') {
      isAsleep = false;
      for (let i = 0; i < 2; i++) {
        flush(other);
        await write(other);
      }
    }
    return puts(key, bytes);
  };
  const checkpoints = new CheckpointStore(partitionCheckpoints(0), { objectStore });
  expect(await checkpoints.write(sleeper, await checkpoints.numbers())).toBe(false);
  expect(await checkpoints.numbers()).toEqual([45, 46]);
  expect(encodeCheckpoint(await readBack(objectStore))).toEqual(encodeCheckpoint(other));
});

test('manifests stay while one of the last two checkpoints has a damaged part', async () => {
  const objectStore = new MemoryObjectStore();
  const catalog = new PartitionCatalog({
    objectStore,
    partition: 0,
    checkpointEvery: 5,
    eraSize: 4,
    groupBytes,
  });
  const removal = { nowMs: 1_000, removeAfterMs: 0 };
  const commit = async (i: number): Promise<void> => {
    const section = { tenant: 'a', minNs: 1n, maxNs: 9n, rowCount: 1, lineBytes: 1 };
    const segment = { key: keyOf(i * 10), sizeBytes: 1, level: 0, sections: [section] };
    const range = { startOffset: i * 10, endOffset: i * 10 + 10 };
    await catalog.commit({ ...range, segment, writers: [], drops: [], erased: [], createdMs: 0 });
    await catalog.checkpoint();
  };
  for (let i = 0; i < 20; i++) await commit(i);
  const [part] = await keysOf(objectStore);
  const bytes = await objectStore.get(part);
  await objectStore.put(part, Buffer.alloc(5));
  await catalog.removeCovered(removal);
  expect(await keysOf(objectStore, 'catalog/partitions/')).toHaveLength(20);
  await objectStore.put(part, bytes);
  await catalog.removeCovered(removal);
  expect((await keysOf(objectStore, 'catalog/partitions/')).length).toBeLessThan(10);
  await expect(objectStore.get('catalog/partitions/0/00000000000000000001')).rejects.toThrow(LokiError);
});

test('a checkpoint shares no part with the last one, also after two were written side by side', async () => {
  const { objectStore, checkpoints, write } = storeOf();
  const state = stateOf(40);
  for (let i = 0; i < 2; i++) {
    await write(state);
    flush(state);
  }
  // Both writers looked at the store before the other one had removed checkpoint 40.
  const remove = objectStore.delete.bind(objectStore);
  objectStore.delete = async (key) => (key.endsWith('40') ? undefined : remove(key));
  for (let i = 0; i < 2; i++) {
    expect(await checkpoints.write(state, [40, 41])).toBe(true);
    flush(state);
  }
  objectStore.delete = remove;
  await objectStore.delete('catalog/checkpoints/0/00000000000000000040');
  await write(state);
  expect(await checkpoints.numbers()).toEqual([43, 44]);
  const root = 'catalog/checkpoints/0/00000000000000000043';
  const parts = decodeCheckpoint(await objectStore.get(root), root, new CatalogState(0));
  for (const { number, hash } of parts!) {
    await objectStore.put(
      `${numbered('catalog/checkpoint-parts/0/', number)}-${hash}`,
      Buffer.from('damage'),
    );
  }
  expect(await checkpoints.isSound(43)).toBe(false);
  expect(await checkpoints.isSound(44)).toBe(true);
});

test('a damaged part of the same number ends the checkpoint; the next manifest has one', async () => {
  const told: string[] = [];
  const objectStore = new MemoryObjectStore();
  const onDamage = (text: string) => told.push(text);
  const checkpoints = new CheckpointStore(partitionCheckpoints(0), { objectStore, onDamage });
  const state = stateOf(40);
  await checkpoints.write(state, []);
  const [part] = await keysOf(objectStore);
  await objectStore.put(part, Buffer.from('damage'));
  await objectStore.delete('catalog/checkpoints/0/00000000000000000040');
  expect(await checkpoints.write(state, [])).toBe(false);
  expect(told).toEqual([expect.stringContaining(part)]);
  flush(state);
  expect(await checkpoints.write(state, [])).toBe(true);
  expect(encodeCheckpoint(await readBack(objectStore))).toEqual(encodeCheckpoint(state));
});

test('a part that others remove while it is compared ends the checkpoint, and not the process', async () => {
  const { objectStore, checkpoints, write } = storeOf();
  const state = stateOf(40);
  await write(state);
  const [part] = await keysOf(objectStore);
  await objectStore.delete('catalog/checkpoints/0/00000000000000000040');
  const put = objectStore.putIfAbsent.bind(objectStore);
  objectStore.putIfAbsent = async (key, body, signal) => {
    const isCreated = await put(key, body, signal);
    if (key === part) await objectStore.delete(key);
    return isCreated;
  };
  expect(await write(state)).toBe(false);
  objectStore.putIfAbsent = put;
  expect(await checkpoints.numbers()).toEqual([]);
  expect(await write(state)).toBe(true);
  expect(encodeCheckpoint(await readBack(objectStore))).toEqual(encodeCheckpoint(state));
});
