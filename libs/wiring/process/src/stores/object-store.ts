import fs from 'node:fs';
import type { StorageConfig } from '@loki/config';
import { FilesystemObjectStore, openBucket, PrefixedObjectStore, proveBucket } from '@loki/object-store';
import type { Logger, ObjectStore } from '@loki/ports';
import { NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';

/** What a worker thread is started with. */
export interface WorkerData {
  readonly storage: StorageConfig;
  /** Decoded blocks that one worker may keep. */
  readonly blockCacheBytes: number;
  /** What the scans of one worker may hold. */
  readonly leafBytesMax: number;
}

/** The store that the configuration names. The process has one, and so has each of its workers. */
export function openObjectStore(storage: StorageConfig): ObjectStore {
  return prefixed(openStorage(storage).store, storage);
}

/**
 * The same, once in a process and before anything is stored: cleans up, and refuses a bucket that will not
 * do.
 */
export async function prepareObjectStore(storage: StorageConfig, logger: Logger): Promise<ObjectStore> {
  const { store, prepare } = openStorage(storage);
  const whole = prefixed(store, storage);
  await prepare(whole, logger);
  return whole;
}

interface OpenedStorage {
  readonly store: ObjectStore;
  /** @param whole  the store with its prefix */
  readonly prepare: (whole: ObjectStore, logger: Logger) => Promise<void>;
}

/** The one place that knows the kinds of stores: a new kind is a case here. */
function openStorage(storage: StorageConfig): OpenedStorage {
  switch (storage.kind) {
    case 'filesystem': {
      const store = new FilesystemObjectStore({ disk: new NodeDisk(storage.directory) });
      return { store, prepare: () => store.removeLeftovers() };
    }
    case 's3': {
      const bucket =
        storage.caFile === '' ? storage : { ...storage, ca: fs.readFileSync(storage.caFile, 'utf8') };
      const world = { timers: new NodeTimers(), random: new NodeRandom() };
      return {
        store: openBucket(bucket, world),
        prepare: (whole, logger) => proveBucket(bucket, { ...world, logger, store: whole }),
      };
    }
  }
}

function prefixed(store: ObjectStore, { prefix }: StorageConfig): ObjectStore {
  return prefix === '' ? store : new PrefixedObjectStore(store, prefix);
}
