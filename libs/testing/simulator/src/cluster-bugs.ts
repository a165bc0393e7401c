/** Planted mistakes between processes, which the simulator must find. */
import { fixedPartitions } from '@loki/catalog';
import type { Catalog, CatalogNewsSource, DeleteRequests, Partitions } from '@loki/catalog';
import type { LogRecord, ObjectStore, Workers, WriteLog } from '@loki/ports';
import type { VirtualProcess } from '@loki/virtual';
import { overriding, storeThatAnswersEarly, storeThatOverwrites } from './planted-bugs.ts';

/**
 * Mistakes in the protocol between processes, as switches; planted from outside, like those of one process.
 */
export const clusterBugs = {
  commitBeforeFlush: 'the manifest names a segment that is not durable yet',
  twoLeadersWin: 'a manifest is put over that of another leader',
  staleCatalog: 'a reader takes its catalog as it is, whatever offset it was told',
  newerCatalog: 'a reader takes all it knows to be committed besides a head that was told of less',
  inputsRemovedEarly: 'the compactor removes its inputs before its output is committed',
  writersConfused: 'records are known by sequence alone, not by writer',
  followerBehind: 'an ingester answers before it has read what was acknowledged',
  deletesKnownLate: 'a querier hears of deletes from time to time only',
  newsBelieved: 'a reader never asks the store for manifests of which it is told no news',
  partitionsByNow: 'a row goes to one of the partitions of now, not of its time',
  clocksBelieved: 'a distributor whose clock is behind begins a step of the partitions before rows of others',
  partitionsUnasked: 'a querier does not learn of partitions that are added',
  appendsOvertake: 'an append that failed is tried again behind later ones of its writer',
  ackBeforeReplicas: 'the write log answers when its leader has the record',
} as const;

/** Name of a mistake that the simulator of several processes must find. */
export type ClusterBug = keyof typeof clusterBugs;

/** Parts of a process that replace the real ones. */
interface PlantedParts {
  store(store: ObjectStore, process: VirtualProcess): ObjectStore;
  ingesterLog(log: WriteLog): WriteLog;
  distributorLog(log: WriteLog, process: VirtualProcess): WriteLog;
  writerPartitions(partitions: Partitions): Partitions;
  readerPartitions(partitions: Partitions): Partitions;
  readerCatalog(catalog: Catalog): Catalog;
  readerDeletes(requests: DeleteRequests): DeleteRequests;
  readerNews(news: CatalogNewsSource): CatalogNewsSource;
  /** A distributor whose clock is this far ahead of the layout's log says so. */
  readonly clockToleranceMs: number;
  /** Rounds of a reader between two reads of the store while it receives news. */
  readonly netRounds: { readonly partition: number; readonly shared: number };
  compactorWorkers(workers: Workers, store: ObjectStore): Workers;
}

const sound: PlantedParts = {
  store: (store) => store,
  ingesterLog: (log) => log,
  distributorLog: (log) => log,
  writerPartitions: (partitions) => partitions,
  readerPartitions: (partitions) => partitions,
  readerCatalog: (catalog) => catalog,
  readerDeletes: (requests) => requests,
  readerNews: (news) => news,
  clockToleranceMs: 5_000,
  netRounds: { partition: 8, shared: 4 },
  compactorWorkers: (workers) => workers,
};

export function bugsOf(bug: ClusterBug | undefined): PlantedParts {
  switch (bug) {
    case 'commitBeforeFlush':
      return { ...sound, store: storeThatAnswersEarly };
    case 'twoLeadersWin':
      return { ...sound, store: storeThatOverwrites };
    case 'staleCatalog':
      return { ...sound, readerCatalog: staleCatalog };
    case 'newerCatalog':
      return { ...sound, readerCatalog: newerCatalog };
    case 'inputsRemovedEarly':
      return { ...sound, compactorWorkers: removesInputs };
    case 'writersConfused':
      return { ...sound, ingesterLog: oneWriter };
    case 'followerBehind':
      return { ...sound, ingesterLog: (log) => overriding(log, { endOffset: () => Promise.resolve(0) }) };
    case 'deletesKnownLate':
      return {
        ...sound,
        readerDeletes: (requests) => overriding(requests, { current: () => Promise.resolve() }),
      };
    case 'newsBelieved':
      return { ...sound, readerNews: () => noNews, netRounds: { partition: Infinity, shared: Infinity } };
    case 'partitionsByNow':
      return { ...sound, writerPartitions: partitionsOfNow };
    case 'clocksBelieved':
      return { ...sound, clockToleranceMs: Infinity };
    case 'partitionsUnasked':
      return { ...sound, readerPartitions: ({ asked }) => fixedPartitions(asked) };
    case 'appendsOvertake':
      return { ...sound, distributorLog: logThatOvertakes };
    case 'ackBeforeReplicas':
    case undefined:
      return sound;
  }
}

/** An ingester that reports no new manifest of any partition, regardless of commits. */
export const noNews: CatalogNewsSource = async ({ partitions, shared }) => {
  const same = [...partitions].map(([partition, number]) => ({
    partition,
    number,
    isLeader: true,
    manifests: [],
  }));
  return [{ partitions: same, shared }];
};

function staleCatalog(catalog: Catalog): Catalog {
  const segmentsFor: Catalog['segmentsFor'] = (tenant, startNs, endNs) =>
    catalog.segmentsFor(tenant, startNs, endNs);
  return overriding(catalog, { refreshTo: () => Promise.resolve(), segmentsFor });
}

function newerCatalog(catalog: Catalog): Catalog {
  const segmentsFor: Catalog['segmentsFor'] = (tenant, startNs, endNs) =>
    catalog.segmentsFor(tenant, startNs, endNs);
  return overriding(catalog, { segmentsFor });
}

function removesInputs(workers: Workers, store: ObjectStore): Workers {
  const run: Workers['run'] = async (task, input, options) => {
    const output = await workers.run(task, input, options);
    if (task.name === 'compactor.mergeDays') {
      const { merges } = input as { merges: readonly { readonly keys: readonly string[] }[] };
      for (const key of merges.flatMap(({ keys }) => keys)) await store.delete(key);
    }
    return output;
  };
  return overriding(workers, { run });
}

function oneWriter(log: WriteLog): WriteLog {
  const read: WriteLog['read'] = async (partition, from, options) => {
    const records = await log.read(partition, from, options);
    return records.map((record) => ({ ...record, writerId: '0'.repeat(32) }));
  };
  return overriding(log, { read });
}

function partitionsOfNow(partitions: Partitions): Partitions {
  return overriding(partitions, {
    get steps() {
      return [{ fromSeconds: 0, count: partitions.steps.at(-1)!.count }];
    },
  });
}

/** A producer that is not idempotent, with several appends in flight. */
function logThatOvertakes(log: WriteLog, process: VirtualProcess): WriteLog {
  const append = async (partition: number, record: LogRecord): Promise<number> => {
    if (process.random.chance(0.2)) await process.timers.sleep(200);
    return log.append(partition, record);
  };
  return overriding(log, { append });
}
