/**
 * Row about news of the catalog: requests to the store of processes that follow it, over a number of
 * partitions, on virtual time. Ingesters tell their leaders' commits, as over gRPC.
 */
import { Catalog, CatalogFollower, DeleteRequests, PartitionCatalog, SharedLogs } from '@loki/catalog';
import type { CatalogNewsSource } from '@loki/catalog';
import { MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore, Timers } from '@loki/ports';
import { NodeClock, NodeRandom } from '@loki/runtime';
import type { Measure } from './growth-judge.ts';

const judgedPartitions = 1_000;
const readers = 100;
const roundSeconds = 15;
const hours = 8;
/** Each partition's flush by age. */
const commitSeconds = 7_200;

const names = {
  idle: `requests a second of ${readers} readers, idle`,
  commits: `the same, each partition flushed every two hours`,
  silent: `the same without commits, and without news of ingesters`,
} as const;

export const newsMeasures: readonly Measure[] = [
  {
    name: names.idle,
    unit: 'calls',
    bar: { costMax: 5, atSize: judgedPartitions, exponentMax: 1, floor: 1 },
  },
  {
    name: names.commits,
    unit: 'calls',
    bar: { costMax: 5, atSize: judgedPartitions, exponentMax: 1, floor: 1 },
  },
  {
    name: names.silent,
    unit: 'calls',
    bar: { costMax: 200, atSize: judgedPartitions, exponentMax: 1, floor: 1 },
  },
];

/** Measures one reader of that many partitions. */
export async function measureNews(partitions: number): Promise<Map<string, number>> {
  return new Map([
    [names.idle, await measure(partitions, { hasNews: true, hasCommits: false })],
    [names.commits, await measure(partitions, { hasNews: true, hasCommits: true })],
    [names.silent, await measure(partitions, { hasNews: false, hasCommits: false })],
  ]);
}

interface Circumstances {
  readonly hasNews: boolean;
  readonly hasCommits: boolean;
}

async function measure(partitions: number, { hasNews, hasCommits }: Circumstances): Promise<number> {
  let calls = 0;
  const inner = new MemoryObjectStore();
  const objectStore = new Proxy(inner as ObjectStore, {
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
  const leaders = Array.from(
    { length: partitions },
    (_, partition) => new PartitionCatalog({ objectStore: inner, partition, newestBytesMax: 64 << 10 }),
  );
  const news: CatalogNewsSource = async ({ partitions: known, shared }) => [
    {
      partitions: leaders.map((leader, partition) => ({
        partition,
        number: leader.state.number,
        isLeader: true,
        manifests: leader.manifestsAfter(known.get(partition) ?? Infinity),
      })),
      shared,
    },
  ];
  const catalog = new Catalog({ objectStore, partitionCount: partitions });
  const requests = new DeleteRequests({ objectStore, clock: new NodeClock(), timers });
  const follower = new CatalogFollower({
    catalog,
    requests,
    timers,
    random: new NodeRandom(),
    sharedLogs: new SharedLogs(),
    ...(hasNews ? { news } : {}),
  });
  await catalog.refresh();
  await requests.load();
  follower.start();
  const commitRounds = commitSeconds / roundSeconds;
  const round = async (number: number): Promise<void> => {
    if (hasCommits) {
      for (let i = number % commitRounds; i < partitions; i += commitRounds) await commit(leaders[i]);
    }
    const begin = next!;
    next = undefined;
    begin();
    while (!next) await new Promise(setImmediate);
  };
  const rounds = (hours * 3_600) / roundSeconds;
  // Without news a reader needs half an hour to reach its slowest pace.
  for (let i = 0; i < 120; i++) await round(i);
  calls = 0;
  for (let i = 0; i < rounds; i++) await round(i);
  follower.stop();
  return (readers * calls) / (rounds * roundSeconds);
}

async function commit(leader: PartitionCatalog): Promise<void> {
  const { endOffset: startOffset } = leader.state;
  const sections = [{ tenant: 'a', minNs: 0n, maxNs: 99n, rowCount: 1, lineBytes: 1 }];
  const segment = { key: `segments/${leader.partition}/${startOffset}`, sizeBytes: 10, level: 0, sections };
  const range = { startOffset, endOffset: startOffset + 5 };
  await leader.commit({ ...range, segment, writers: [], drops: [], erased: [], createdMs: 1 });
}
