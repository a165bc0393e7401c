/**
 * Row about the one log of all compactors: a number of commits by ten processes, each with twenty merges of
 * 0.2 s side by side, over a store that takes 25 ms for a request.
 */
import { Catalog } from '@loki/catalog';
import { LokiError } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { NodeTimers } from '@loki/runtime';
import type { Measure } from './growth-judge.ts';

const processes = 10;
const mergesAtOnce = 20;
const requestMs = 25;
const mergeMs = 200;
const judgedCommits = 1_000;
/** Of a compactor for one commit. */
const attemptsMax = 5;

export const commitMeasures: readonly Measure[] = [
  {
    name: `commits of ${processes} compactors`,
    unit: 'wall s',
    // 100 a second.
    bar: { costMax: judgedCommits / 100, atSize: judgedCommits, exponentMax: 1, floor: 0.1 },
  },
];

/** A run of more commits than this is long enough by itself. */
const repeatedMax = 1_000;
const repeats = 3;

/** Measures that many commits in all: the least of three short runs, as other work only adds to them. */
export async function measureCommits(commits: number): Promise<Map<string, number>> {
  let least = Infinity;
  for (let i = 0; i < (commits > repeatedMax ? 1 : repeats); i++) {
    least = Math.min(least, await secondsOf(commits));
  }
  return new Map([[commitMeasures[0].name, least]]);
}

async function secondsOf(commits: number): Promise<number> {
  const inner = new MemoryObjectStore();
  const distant = new Proxy(inner as ObjectStore, {
    get: (store, name) => {
      const value = Reflect.get(store, name) as unknown;
      if (typeof value !== 'function') return value;
      if (name !== 'get' && name !== 'putIfAbsent') return value.bind(store) as unknown;
      return async (...args: unknown[]): Promise<unknown> => {
        await new Promise((resolve) => setTimeout(resolve, requestMs));
        return Reflect.apply(value, store, args) as unknown;
      };
    },
  });
  const catalogs = Array.from(
    { length: processes },
    () =>
      new Catalog({ objectStore: distant, timers: new NodeTimers({ keepsAlive: true }), partitionCount: 1 }),
  );
  await Promise.all(catalogs.map((catalog) => catalog.refresh()));
  let next = 0;
  const merge = async (catalog: Catalog): Promise<void> => {
    while (next < commits) {
      const tenant = `tenant-${next++}`;
      await new Promise((resolve) => setTimeout(resolve, mergeMs));
      const flushed = [{ key: tenant, partition: 0, startOffset: 0, endOffset: 1 }];
      const change = { tenant, day: 1, flushed, compacted: [], outputs: [] };
      await appendSurely(() =>
        catalog.compactions.append((number) => ({ number, createdMs: 1, changes: [change], erased: [] })),
      );
    }
  };
  const began = performance.now();
  await Promise.all(
    catalogs.flatMap((catalog) => Array.from({ length: mergesAtOnce }, () => merge(catalog))),
  );
  return (performance.now() - began) / 1_000;
}

/** As compactors do: of ten that race for each number, one may lose as often as a call tries. */
async function appendSurely(append: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await append();
      return;
    } catch (error) {
      const isLost = error instanceof LokiError && error.code === 'unavailable';
      if (!isLost || attempt === attemptsMax) throw error;
    }
  }
}
