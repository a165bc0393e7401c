import fs from 'node:fs';
import type { StorageConfig } from '@loki/config';
import { FilesystemObjectStore, openBucket, PrefixedObjectStore, proveBucket } from '@loki/object-store';
import type { BucketOptions } from '@loki/object-store';
import type { Logger, ObjectStore } from '@loki/ports';
import { NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';

/** What a worker thread is started with. */
export interface WorkerData {
  readonly storage: StorageConfig;
  /** Decoded blocks that one worker may keep. */
  readonly blockCacheBytes: number;
}

/** The store that the configuration names. The process has one, and so has each of its workers. */
export function openObjectStore(storage: StorageConfig): ObjectStore {
  const store =
    storage.kind === 'filesystem'
      ? new FilesystemObjectStore({ disk: new NodeDisk(storage.directory) })
      : openBucket(bucketOf(storage), { timers: new NodeTimers(), random: new NodeRandom() });
  return storage.prefix === '' ? store : new PrefixedObjectStore(store, storage.prefix);
}

/** The same, once in a process and before anything is stored: cleans up, and refuses a bucket that will not do. */
export async function prepareObjectStore(storage: StorageConfig, logger: Logger): Promise<ObjectStore> {
  const store = openObjectStore(storage);
  if (storage.kind === 'filesystem') {
    await new FilesystemObjectStore({ disk: new NodeDisk(storage.directory) }).removeLeftovers();
  } else {
    const world = { timers: new NodeTimers(), random: new NodeRandom(), logger, store };
    await proveBucket(bucketOf(storage), world);
  }
  return store;
}

function bucketOf(storage: Extract<StorageConfig, { kind: 's3' }>): BucketOptions {
  return storage.caFile === '' ? storage : { ...storage, ca: fs.readFileSync(storage.caFile, 'utf8') };
}
