/** Row about the compactors' log: a checkpoint of that many days of tenants, after one more merge. */
import { Catalog } from '@loki/catalog';
import type { DayChange } from '@loki/catalog';
import { MemoryObjectStore } from '@loki/object-store';
import { NodeTimers } from '@loki/runtime';
import { longestTurnOf } from './growth-catalog.ts';
import type { Measure } from './growth-judge.ts';

const tenants = 1_000;
const judgedDays = 1_000_000;

export const mergeMeasures: readonly Measure[] = [
  {
    name: 'longest turn of a whole checkpoint',
    unit: 's',
    bar: { costMax: 0.03, atSize: judgedDays, exponentMax: 0, floor: 0.03 },
  },
  {
    name: 'checkpoint after a merge',
    unit: 's',
    bar: { costMax: 2, atSize: judgedDays, exponentMax: 1, floor: 0.05 },
  },
  {
    name: 'parts written after a merge',
    unit: 'calls',
    bar: { costMax: 5, atSize: judgedDays, exponentMax: 0, floor: 5 },
  },
  { name: 'start', unit: 's', bar: { costMax: 15, atSize: judgedDays, exponentMax: 1, floor: 0.2 } },
];

/** Measures a log with that many days of 1,000 tenants. */
export async function measureMerges(tenantDays: number): Promise<Map<string, number>> {
  const objectStore = new MemoryObjectStore();
  const timers = new NodeTimers({ keepsAlive: true });
  const options = { objectStore, timers, partitionCount: 0 };
  await fill(new Catalog({ ...options, checkpointEvery: Number.MAX_SAFE_INTEGER }), tenantDays);
  const writer = new Catalog({ ...options, checkpointEvery: 1 });
  await writer.refresh();
  const lastDay = tenantDays / tenants;
  const merge = (tenant: string) => append(writer, [changeOf(tenant, lastDay)]);
  let longest = 0;
  // A checkpoint shares parts with the one before the last: two are written whole.
  for (const tenant of ['a', 'b']) longest = Math.max(longest, await longestTurnOf(() => merge(tenant)));
  let parts = 0;
  const put = objectStore.putIfAbsent.bind(objectStore);
  objectStore.putIfAbsent = (key, bytes) => {
    if (key.includes('checkpoint-parts/')) parts++;
    return put(key, bytes);
  };
  const began = process.cpuUsage();
  await merge('c');
  const checkpoint = process.cpuUsage(began);
  const reader = new Catalog(options);
  const beganStart = process.cpuUsage();
  await reader.refresh();
  const start = process.cpuUsage(beganStart);
  if (reader.compacted.number !== writer.compacted.number) throw new Error('the reader is behind');
  return new Map([
    ['longest turn of a whole checkpoint', longest],
    ['checkpoint after a merge', (checkpoint.user + checkpoint.system) / 1e6],
    ['parts written after a merge', parts],
    ['start', (start.user + start.system) / 1e6],
  ]);
}

/** The filler's state is garbage once this has returned. */
async function fill(filler: Catalog, tenantDays: number): Promise<void> {
  for (let day = 0; day < tenantDays / tenants; day++) {
    await append(
      filler,
      Array.from({ length: tenants }, (_, i) => changeOf(`tenant-${i}`, day)),
    );
  }
}

async function append(catalog: Catalog, changes: readonly DayChange[]): Promise<void> {
  await catalog.compactions.append((number) => ({ number, createdMs: 1, changes, erased: [] }));
}

/** A closed day: one compacted segment, whose inputs are erased. */
function changeOf(tenant: string, day: number): DayChange {
  const source = { partition: 0, startOffset: day, endOffset: day + 1 };
  const output = {
    key: `compacted/${tenant}/${day}/0123456789abcdef`,
    sizeBytes: 1 << 20,
    level: 2,
    minNs: BigInt(day) * 86_400_000_000_000n,
    maxNs: BigInt(day + 1) * 86_400_000_000_000n - 1n,
    rowCount: 1_000_000,
    lineBytes: 1 << 28,
    createdMs: 1_768_000_000_000,
    sources: [source],
  };
  return { tenant, day, flushed: [], compacted: [], outputs: [output] };
}
