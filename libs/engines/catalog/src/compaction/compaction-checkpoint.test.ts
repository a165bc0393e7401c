// Protects checkpoints of the compactors' log in parts: no size is too large, and they cost what changed.
import { MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { CheckpointStore } from '../logs/checkpoint-store.ts';
import { compactionKeys } from '../logs/keys.ts';
import { NumberedLog } from '../logs/numbered-log.ts';
import { repairCatalog } from '../repair.ts';
import { compactionCheckpoints } from './compaction-checkpoint.ts';
import type { CompactionManifest, DayChange } from './compaction-manifest.ts';
import { CompactionState } from './compaction-state.ts';

const partBytes = 1_000;
const partPrefix = 'catalog/compaction-checkpoint-parts/';

/** A merge of one flushed segment of a tenant's day. */
function change(tenant: string, day: number, offset: number): DayChange {
  const source = { partition: 0, startOffset: offset, endOffset: offset + 1 };
  const output = {
    key: `compacted/${tenant}/${day}/${offset}`,
    sizeBytes: 9,
    level: 1,
    minNs: 0n,
    maxNs: 5n,
    rowCount: 1,
    lineBytes: 1,
    createdMs: 7,
    sources: [source],
  };
  return {
    tenant,
    day,
    flushed: [{ key: `segments/0/${offset}`, ...source }],
    compacted: [],
    outputs: [output],
  };
}

function fold(state: CompactionState, content: Partial<CompactionManifest>): void {
  state.fold({ number: state.number + 1, createdMs: 5, changes: [], erased: [], ...content });
}

/** `tenants` tenants, each with a merge in each of `days` days. */
function stateOf(tenants: number, days: number): CompactionState {
  const state = new CompactionState();
  let offset = 0;
  for (let day = 0; day < days; day++) {
    for (let i = 0; i < tenants; i++) fold(state, { changes: [change(`tenant-${i}`, day, offset++)] });
  }
  return state;
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

function storeOf(objectStore: ObjectStore = new MemoryObjectStore()) {
  const format = compactionCheckpoints(() => new CompactionState(), partBytes);
  const checkpoints = new CheckpointStore(format, { objectStore });
  return {
    objectStore,
    checkpoints,
    write: async (state: CompactionState) => checkpoints.write(state, await checkpoints.numbers()),
    parts: () => keysOf(objectStore, partPrefix),
    read: async () => {
      const state = new CompactionState();
      await checkpoints.load(state);
      return state;
    },
  };
}

/** Everything that a state says, in an order of its own. */
function contentOf(state: CompactionState) {
  const days = state.tenants().flatMap((tenant) =>
    state.days(tenant).map((day) => {
      const { outputs, flushed, ends } = state.day(tenant, day)!;
      return { name: `${day} ${tenant}`, outputs, flushed, ends };
    }),
  );
  days.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { number: state.number, days, dead: state.dead, dayBytes: state.dayBytes };
}

test('a checkpoint in parts says the same as the manifests', async () => {
  const { write, read, parts } = storeOf();
  const state = stateOf(20, 5);
  fold(state, { changes: [{ ...change('tenant-3', 2, 900), compacted: ['compacted/tenant-3/2/43'] }] });
  fold(state, { erased: ['segments/0/7', 'segments/0/8'] });
  await write(state);
  expect((await parts()).length).toBeGreaterThan(8);
  const copy = await read();
  expect(contentOf(copy)).toEqual(contentOf(state));
  expect(copy.wasReplaced('segments/0/9')).toBe(true);
  expect(copy.wasReplaced('segments/0/7')).toBe(false);
});

test('a small log is written in one object, which the version before reads', async () => {
  const { objectStore, write, parts, read } = storeOf();
  const state = stateOf(2, 2);
  await write(state);
  const [root] = await keysOf(objectStore, compactionKeys.checkpointPrefix);
  expect((await objectStore.get(root)).toString('latin1', 0, 4)).toBe('LMC1');
  expect(await parts()).toEqual([]);
  expect(contentOf(await read())).toEqual(contentOf(state));
});

test('a large object of the version before is read', async () => {
  const { objectStore, read } = storeOf();
  const state = stateOf(50, 10);
  await objectStore.put('catalog/compaction-checkpoints/00000000000000000500', state.encodeCheckpoint());
  expect(contentOf(await read())).toEqual(contentOf(state));
});

test('a merge of the last day writes its parts, whoever wrote the others', async () => {
  const { objectStore, write, parts, read } = storeOf();
  const state = stateOf(20, 20);
  for (let i = 0; i < 2; i++) {
    await write(state);
    fold(state, { changes: [change(`tenant-${i}`, 19, 1_000 + i)] });
  }
  const before = await parts();
  const whole = before.length / 2;
  expect(whole).toBeGreaterThan(30);
  await write(state);
  const written = (await parts()).filter((key) => !before.includes(key));
  expect(written.length).toBeLessThanOrEqual(6);
  // A process that read it, and one that folded all manifests by itself.
  const reader = await read();
  const folded = stateOf(20, 20);
  for (let i = 0; i < 2; i++) fold(folded, { changes: [change(`tenant-${i}`, 19, 1_000 + i)] });
  for (const [i, other] of [reader, folded].entries()) {
    const own = storeOf(objectStore);
    for (let n = 0; n <= i; n++) fold(other, { changes: [change(`tenant-${5 + n}`, 19, 2_000 + n)] });
    const present = await parts();
    await own.write(other);
    expect((await parts()).filter((key) => !present.includes(key)).length).toBeLessThanOrEqual(6);
    expect(contentOf(await own.read())).toEqual(contentOf(other));
  }
});

test('a part that did not change is not encoded', async () => {
  const state = stateOf(20, 20);
  const format = compactionCheckpoints(() => new CompactionState(), partBytes);
  const { write } = storeOf();
  await write(state);
  fold(state, { changes: [change('tenant-0', 19, 1_000)] });
  const unchangedParts = [...format.parts(state)].filter((part) => part?.identity);
  const changedParts = [...format.parts(state)].filter((part) => part && !part.identity);
  expect(unchangedParts.length).toBeGreaterThan(30);
  expect(changedParts.length).toBeLessThanOrEqual(3);
});

test('an erased segment changes its day, and no longer counts', async () => {
  const { write, read } = storeOf();
  const state = stateOf(20, 5);
  await write(state);
  const { dayBytes } = state;
  fold(state, { erased: ['segments/0/0', 'segments/0/99'] });
  expect(state.dayBytes).toBeLessThan(dayBytes);
  await write(state);
  expect(contentOf(await read())).toEqual(contentOf(state));
});

function openLog(objectStore: ObjectStore) {
  const state = new CompactionState();
  const checkpoints = storeOf(objectStore).checkpoints.of(state);
  const sizes = { checkpointEvery: 5, eraSize: 4 };
  return { state, log: new NumberedLog({ objectStore, state, checkpoints, ...compactionKeys, ...sizes }) };
}

test('a log with checkpoints in parts is read from them, and its manifests are removed', async () => {
  const objectStore = new MemoryObjectStore();
  const writer = openLog(objectStore);
  for (let i = 0; i < 60; i++) {
    const changes = [change(`tenant-${i % 30}`, Math.floor(i / 30), i)];
    await writer.log.append((number) => ({ number, createdMs: i, changes, erased: [] }));
  }
  const removal = { nowMs: 1_000, removeAfterMs: 0 };
  const part = (await keysOf(objectStore, partPrefix)).at(-1)!;
  const bytes = await objectStore.get(part);
  await objectStore.put(part, Buffer.from('damage'));
  await writer.log.removeCovered(removal);
  expect(await keysOf(objectStore, compactionKeys.manifestPrefix)).toHaveLength(60);
  await objectStore.put(part, bytes);
  await writer.log.removeCovered(removal);
  expect((await keysOf(objectStore, compactionKeys.manifestPrefix)).length).toBeLessThan(12);
  const reader = openLog(objectStore);
  await reader.log.load();
  expect(contentOf(reader.state)).toEqual(contentOf(writer.state));
});

test('a writer that slept decides by the newest state, though the manifests of meanwhile are removed', async () => {
  const objectStore = new MemoryObjectStore();
  const [slow, idle, writer] = [openLog(objectStore), openLog(objectStore), openLog(objectStore)];
  const add = ({ log, state }: ReturnType<typeof openLog>, offset: number) =>
    log.append((number) => {
      const changes = [change('tenant', 0, offset)];
      const isDone = state.day('tenant', 0)?.isReplaced(changes[0].flushed[0].key);
      return isDone ? undefined : { number, createdMs: 1, changes, erased: [] };
    });
  for (const each of [slow, idle]) await each.log.load();
  for (let i = 0; i < 60; i++) await add(writer, i);
  await writer.log.removeCovered({ nowMs: 1_000, removeAfterMs: 0 });
  expect(await add(slow, 3)).toBeUndefined();
  expect(await add(slow, 60)).toMatchObject({ number: 61 });
  // A refusal by an old state is none.
  const refusal = (number: number) => {
    if (number <= 60) throw new Error(`too early: ${number}`);
    return { number, createdMs: 1, changes: [change('tenant', 0, 61)], erased: [] };
  };
  expect(await idle.log.append(refusal)).toMatchObject({ number: 62 });
  await writer.log.load();
  for (const { log, state } of [slow, idle]) {
    await log.load();
    expect(contentOf(state)).toEqual(contentOf(writer.state));
  }
});

test('an append is three requests one after another', async () => {
  const objectStore = new MemoryObjectStore();
  const requests: string[] = [];
  const counted = new Proxy(objectStore as ObjectStore, {
    get: (store, name) => {
      const value = Reflect.get(store, name) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        requests.push(String(name));
        return Reflect.apply(value, store, args) as unknown;
      };
    },
  });
  const { log } = openLog(counted);
  await log.load();
  requests.length = 0;
  await log.append((number) => ({ number, createdMs: 1, changes: [change('tenant', 0, 1)], erased: [] }));
  // Is there a later manifest? Create the next. Was its era removed?
  expect(requests).toEqual(['get', 'putIfAbsent', 'get']);
});

test('a damaged part leaves the checkpoint before, and lokictl repair removes its root', async () => {
  const { objectStore, write, parts, read } = storeOf();
  const state = stateOf(20, 5);
  await write(state);
  const former = await parts();
  const formerContent = contentOf(await read());
  fold(state, { changes: [change('tenant-0', 4, 1_000)] });
  await write(state);
  const newer = (await parts()).filter((key) => !former.includes(key));
  await objectStore.put(newer[2], Buffer.from('damage'));
  expect(contentOf(await read())).toEqual(formerContent);
  const options = { objectStore, partitionCount: 0, nowMs: 0, isDryRun: false };
  expect(await repairCatalog(options)).toEqual([
    expect.objectContaining({ key: expect.stringMatching(/compaction-checkpoints\/0+101$/), isMended: true }),
  ]);
  expect(await repairCatalog(options)).toEqual([]);
});
