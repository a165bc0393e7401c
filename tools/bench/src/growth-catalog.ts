/** Rows about the catalog: the update of a partition, after any number of earlier commits. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PartitionCatalog } from '@loki/catalog';
import { FilesystemObjectStore, MemoryObjectStore } from '@loki/object-store';
import { NodeDisk } from '@loki/runtime';
import type { Measure } from './growth-judge.ts';

const pollSecondsMax = 0.001;
/** Below it polls are noise. */
const pollFloorSeconds = 0.0002;
const polls = 50;
const judgedManifests = 100_000;
/** Files of this store end so. */
const fileSuffix = '~';

const pollBar = {
  costMax: pollSecondsMax,
  atSize: judgedManifests,
  exponentMax: 0,
  floor: pollFloorSeconds,
};

export const catalogMeasures: readonly Measure[] = [{ name: 'look for news', unit: 's', bar: pollBar }];

/** Measures a reader of a partition with so many manifests, all but the last few below a checkpoint. */
export async function measureCatalog(manifests: number): Promise<Map<string, number>> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-bench-'));
  try {
    const memory = new MemoryObjectStore();
    const writer = new PartitionCatalog({ objectStore: memory, partition: 0 });
    for (let offset = 0; offset < manifests; offset++) {
      const range = { startOffset: offset, endOffset: offset + 1 };
      await writer.commit({ ...range, writers: [], drops: [], erased: [], createdMs: 0 });
    }
    await writer.checkpoint();
    await copyTo(directory, memory);
    const objectStore = new FilesystemObjectStore({ disk: new NodeDisk(directory) });
    const reader = new PartitionCatalog({ objectStore, partition: 0 });
    await reader.load();
    const began = process.cpuUsage();
    for (let i = 0; i < polls; i++) await reader.load();
    const { user, system } = process.cpuUsage(began);
    if (reader.state.number !== manifests) {
      throw new Error(`${reader.state.number} of ${manifests} manifests`);
    }
    return new Map([['look for news', (user + system) / 1e6 / polls]]);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** Not durably: a put of the store syncs each file. */
async function copyTo(directory: string, store: MemoryObjectStore): Promise<void> {
  for await (const { key } of store.list('')) {
    const file = path.join(directory, `${key}${fileSuffix}`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, await store.get(key));
  }
}
