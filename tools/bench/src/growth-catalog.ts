/** Rows about the catalog: the update of a partition, after any number of earlier commits. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import { Catalog, PartitionCatalog } from '@loki/catalog';
import type { ManifestSection } from '@loki/catalog';
import { FilesystemObjectStore, MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { NodeDisk, NodeTimers } from '@loki/runtime';
import type { Measure } from './growth-judge.ts';

const pollSecondsMax = 0.001;
/** Below it polls are noise. */
const pollFloorSeconds = 0.0002;
const polls = 50;
const judgedManifests = 1_000_000;
/** The default of the product. */
const checkpointEvery = 512;
const sectionTenants = 10;
/** Segments that compactors have not replaced yet: a day of one flush in nine seconds. */
const liveSegments = 10_000;
const dropEvery = 100;
/** Commits between two looks of the compactor that sweeps. */
const sweepEvery = 4_096;
/** Files of this store end so. */
const fileSuffix = '~';

const pollBar = {
  costMax: pollSecondsMax,
  atSize: judgedManifests,
  exponentMax: 0,
  floor: pollFloorSeconds,
};

export const catalogMeasures: readonly Measure[] = [
  { name: 'look for news', unit: 's', bar: pollBar },
  {
    name: 'longest turn of a checkpoint',
    unit: 's',
    bar: { costMax: 0.02, atSize: judgedManifests, exponentMax: 0, floor: 0.02 },
  },
  { name: 'start', unit: 's', bar: { costMax: 1, atSize: judgedManifests, exponentMax: 0, floor: 0.2 } },
  {
    name: 'objects in the store',
    unit: 'calls',
    bar: { costMax: 12_000, atSize: judgedManifests, exponentMax: 0, floor: 12_000 },
  },
];

/**
 * Measures a reader of a partition after that many commits, each with a segment of several tenants:
 * compactors dropped all but the last ones, and old manifests were removed.
 */
export async function measureCatalog(manifests: number): Promise<Map<string, number>> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-bench-'));
  try {
    const memory = new MemoryObjectStore();
    const timers = new NodeTimers({ keepsAlive: true });
    const writer = new PartitionCatalog({ objectStore: memory, partition: 0, timers });
    let longestTurn = 0;
    for (let number = 1; number <= manifests; number++) {
      await writer.commit(contentOf(number, writer.state.endOffset));
      if (number % checkpointEvery === 0) {
        longestTurn = Math.max(longestTurn, await longestTurnOf(() => writer.checkpoint()));
      }
      if (number % sweepEvery === 0) await writer.removeCovered({ nowMs: 1, removeAfterMs: 0 });
    }
    await copyTo(directory, memory);
    const objectStore = new FilesystemObjectStore({ disk: new NodeDisk(directory) });
    const beganStart = process.cpuUsage();
    const reader = new PartitionCatalog({ objectStore, partition: 0, timers });
    await reader.load();
    const start = process.cpuUsage(beganStart);
    let objects = 0;
    for await (const _ of memory.list('')) objects++;
    const began = process.cpuUsage();
    for (let i = 0; i < polls; i++) await reader.load();
    const { user, system } = process.cpuUsage(began);
    if (reader.state.number !== manifests || reader.state.live.size !== writer.state.live.size) {
      throw new Error(`${reader.state.number} of ${manifests} manifests, ${reader.state.live.size} segments`);
    }
    return new Map([
      ['look for news', (user + system) / 1e6 / polls],
      ['start', (start.user + start.system) / 1e6],
      ['objects in the store', objects],
      ['longest turn of a checkpoint', longestTurn],
    ]);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/**
 * A flush of some tenants; each hundredth manifest drops the segments that compactors have replaced
 * meanwhile.
 */
function contentOf(number: number, endOffset: number): Parameters<PartitionCatalog['commit']>[0] {
  const common = { startOffset: endOffset, writers: [], createdMs: 0 };
  if (number % dropEvery > 0) {
    const segment = {
      key: segmentKey(endOffset),
      sizeBytes: 1 << 20,
      level: 0,
      sections: sectionsOf(endOffset),
    };
    return { ...common, endOffset: endOffset + 1, segment, drops: [], erased: [] };
  }
  const oldest = endOffset - liveSegments - dropEvery;
  const keys = Array.from({ length: dropEvery }, (_, i) => oldest + i).filter((offset) => offset >= 0);
  const drops = keys.map((offset) => ({ key: segmentKey(offset), tenants: [] }));
  return { ...common, endOffset, drops, erased: drops.map(({ key }) => key) };
}

function segmentKey(offset: number): string {
  return `segments/0/${offset}-${offset + 1}-${offset.toString(16).padStart(16, '0')}`;
}

function sectionsOf(offset: number): ManifestSection[] {
  const minNs = BigInt(offset) * 10_000_000_000n;
  return Array.from({ length: sectionTenants }, (_, i) => {
    return { tenant: `tenant-${i}`, minNs, maxNs: minNs + 9_000_000_000n, rowCount: 100, lineBytes: 12_345 };
  });
}

/** CPU seconds of this thread in the longest turn of its event loop during some work. */
export async function longestTurnOf(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let isOver = false;
  let before = process.threadCpuUsage();
  const turn = (): void => {
    const { user, system } = process.threadCpuUsage(before);
    longest = Math.max(longest, user + system);
    before = process.threadCpuUsage();
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isOver = true;
  return longest / 1e6;
}

/** Not durably: a put of the store syncs each file. */
async function copyTo(directory: string, store: MemoryObjectStore): Promise<void> {
  for await (const { key } of store.list('')) {
    const file = path.join(directory, `${key}${fileSuffix}`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, await store.get(key));
  }
}

const mib = 2 ** 20;
const judgedTenants = 1_000;
const commitsOfTenants = 1_000;

export const tenantMeasures: readonly Measure[] = [
  {
    name: 'catalog in memory',
    unit: 'MiB',
    bar: { costMax: 40, atSize: judgedTenants, exponentMax: 1, floor: 2 },
  },
  {
    name: 'start of the catalog',
    unit: 's',
    bar: { costMax: 4, atSize: judgedTenants, exponentMax: 1, floor: 0.1 },
  },
];

/** Measures a reader's catalog of a partition with 1,000 commits, each with rows of that many tenants. */
export async function measureTenants(tenants: number): Promise<Map<string, number>> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-bench-'));
  try {
    const objectStore = new FilesystemObjectStore({ disk: new NodeDisk(directory) });
    await commitTenants(directory, tenants);
    const timers = new NodeTimers({ keepsAlive: true });
    const before = usedBytes();
    const began = process.cpuUsage();
    const catalog = new Catalog({ objectStore, timers, partitionCount: 1 });
    await catalog.refresh();
    const { user, system } = process.cpuUsage(began);
    const used = usedBytes() - before;
    if (catalog.tenants().length !== tenants) throw new Error(`${catalog.tenants().length} tenants`);
    return new Map([
      ['catalog in memory', used / mib],
      ['start of the catalog', (user + system) / 1e6],
    ]);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** The writer's state is garbage once this has returned. */
async function commitTenants(directory: string, tenants: number): Promise<void> {
  const memory = new MemoryObjectStore();
  const objectStore: ObjectStore = memory;
  const writer = new PartitionCatalog({ objectStore, partition: 0 });
  const names = Array.from({ length: tenants }, (_, i) => `tenant-${i}`).sort();
  const epochNs = BigInt(Math.floor(Date.now() / 86_400_000)) * 86_400_000_000_000n;
  for (let offset = 0; offset < commitsOfTenants; offset++) {
    const minNs = epochNs + BigInt(offset) * 60_000_000_000n;
    const sections = names.map((tenant) => {
      return { tenant, minNs, maxNs: minNs + 59_000_000_000n, rowCount: 100, lineBytes: 12_345 };
    });
    const key = `segments/0/${offset}-${offset + 1}-${offset.toString(16).padStart(16, '0')}`;
    const segment = { key, sizeBytes: 1 << 20, level: 0, sections };
    const range = { startOffset: offset, endOffset: offset + 1 };
    await writer.commit({ ...range, segment, writers: [], drops: [], erased: [], createdMs: 0 });
  }
  await writer.checkpoint();
  await copyTo(directory, memory);
}

/** Heap and buffers that are reachable. */
function usedBytes(): number {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
