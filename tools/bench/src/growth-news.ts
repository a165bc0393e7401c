/**
 * Row about news of the catalog: requests to the store of processes that read it, over a number of partitions
 * without commits, on a clock of the benchmark's own.
 */
import { Catalog } from '@loki/catalog';
import { MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore, Timers } from '@loki/ports';
import type { Measure } from './growth-judge.ts';

const judgedPartitions = 1_000;
const readers = 100;
const roundSeconds = 15;
/** Four hours after half an hour. */
const roundsBefore = 120;
const roundsMeasured = 960;

export const newsMeasures: readonly Measure[] = [
  {
    name: `requests a second of ${readers} readers, idle`,
    unit: 'calls',
    bar: { costMax: 120, atSize: judgedPartitions, exponentMax: 1, floor: 1 },
  },
];

/** Measures one reader of that many partitions. */
export async function measureNews(partitions: number): Promise<Map<string, number>> {
  let calls = 0;
  const inner = new MemoryObjectStore();
  const counted = new Proxy(inner as ObjectStore, {
    get: (store, name) => {
      const value = Reflect.get(store, name) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        calls++;
        return Reflect.apply(value, store, args) as unknown;
      };
    },
  });
  let next: (() => void) | undefined;
  const timers: Timers = {
    after: (_, callback) => {
      next = callback;
      return { cancel: () => undefined };
    },
    sleep: () => Promise.reject(new Error('not needed')),
  };
  const catalog = new Catalog({ objectStore: counted, timers, partitionCount: partitions });
  await catalog.start();
  for (let round = 0; round < roundsBefore + roundsMeasured; round++) {
    if (round === roundsBefore) calls = 0;
    const begin = next!;
    next = undefined;
    begin();
    while (!next) await new Promise(setImmediate);
  }
  catalog.stop();
  return new Map([[newsMeasures[0].name, (readers * calls) / (roundsMeasured * roundSeconds)]]);
}
