/** Planted mistakes between processes, which the simulator must find. */
import type { Catalog, DeleteRequests } from '@loki/catalog';
import type { ObjectStore, Workers, WriteLog } from '@loki/ports';
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
  ackBeforeReplicas: 'the write log answers when its leader has the record',
} as const;

/** Name of a mistake that the simulator of several processes must find. */
export type ClusterBug = keyof typeof clusterBugs;

/** Parts of a process that replace the real ones. */
interface PlantedParts {
  store(store: ObjectStore, process: VirtualProcess): ObjectStore;
  ingesterLog(log: WriteLog): WriteLog;
  readerCatalog(catalog: Catalog): Catalog;
  readerDeletes(requests: DeleteRequests): DeleteRequests;
  compactorWorkers(workers: Workers, store: ObjectStore): Workers;
}

const sound: PlantedParts = {
  store: (store) => store,
  ingesterLog: (log) => log,
  readerCatalog: (catalog) => catalog,
  readerDeletes: (requests) => requests,
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
    case 'ackBeforeReplicas':
    case undefined:
      return sound;
  }
}

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
    if (task.name === 'compactor.mergeDay') {
      const { keys } = input as { keys: readonly string[] };
      for (const key of keys) await store.delete(key);
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
