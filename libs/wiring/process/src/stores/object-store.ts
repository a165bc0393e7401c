/** Opens the configured object store. */
import fs from 'node:fs';
import path from 'node:path';
import type { ConfigSource, StorageConfig } from '@loki/config';
import {
  credentialSource,
  FilesystemObjectStore,
  openBucket,
  PrefixedObjectStore,
  proveBucket,
} from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { NodeClock, NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';
import type { StoreObserver } from '@loki/telemetry';
import type { DiskCacheData, DiskCacheReport } from './disk-cache-of-worker.ts';
import { patiently } from './patiently.ts';
import type { Patience } from './patiently.ts';
import type { StoreReport } from './store-reports.ts';

/** Start data of a worker thread. */
export interface WorkerData {
  readonly storage: StorageConfig;
  /** Bound on decoded blocks in one worker's cache. */
  readonly blockCacheBytes: number;
  /** The cache is dropped after this long without a reader; 0: never. */
  readonly cacheIdleMs: number;
  /** Bound on the bytes of scans in one worker. */
  readonly leafBytesMax: number;
  /** Absent: every read goes to the store. */
  readonly diskCache?: DiskCacheData;
}

/** From a worker thread to the main thread: calls to the store, or news of the cache on disk. */
export type WorkerReport = { readonly store: StoreReport } | { readonly disk: DiskCacheReport };

/** Opens the configured store. The process has one, and each of its workers has its own. */
export function openObjectStore(storage: StorageConfig, observer?: StoreObserver): ObjectStore {
  return prefixed(openStorage(storage, observer).store, storage);
}

/**
 * Arguments with which lokictl opens the store of this process. Names a directory by its path, because flags
 * may override the path of the file.
 */
export function storeWords(storage: StorageConfig, { file, expandsEnv }: ConfigSource): string {
  switch (storage.kind) {
    case 'filesystem':
      return quoted(path.join(path.resolve(storage.directory), storage.prefix));
    case 's3':
      return `--config ${file === '' ? 'FILE' : quoted(path.resolve(file))}${expandsEnv ? ' --expand-env' : ''}`;
  }
}

/** Quotes a word for a shell. */
function quoted(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * Opens the store once in a process before anything is stored: cleans up, and refuses an unsuitable bucket.
 */
export async function prepareObjectStore(
  storage: StorageConfig,
  patience: Patience,
  observer?: StoreObserver,
): Promise<ObjectStore> {
  const { store, prepare } = openStorage(storage, observer);
  const whole = prefixed(store, storage);
  await patiently('the object store', () => prepare(whole), patience);
  return whole;
}

interface OpenedStorage {
  readonly store: ObjectStore;
  /** @param whole  the store with its prefix */
  readonly prepare: (whole: ObjectStore) => Promise<void>;
}

/**
 * Opens a store of each kind: a new kind without a case is a type error here, and where lokictl names its
 * place.
 */
function openStorage(storage: StorageConfig, observer?: StoreObserver): OpenedStorage {
  switch (storage.kind) {
    case 'filesystem': {
      const store = new FilesystemObjectStore({ disk: new NodeDisk(storage.directory) });
      return { store, prepare: () => store.removeLeftovers() };
    }
    case 's3': {
      const ca = storage.caFile === '' ? undefined : fs.readFileSync(storage.caFile, 'utf8');
      const world = { clock: new NodeClock(), timers: new NodeTimers(), random: new NodeRandom() };
      const observation = observer && { observer, clock: world.clock };
      const credentials = credentialSource({
        configured: storage,
        env: process.env,
        readFile: textOf,
        isAmazon: /\.amazonaws\.com(\.cn)?$/.test(storage.endpoint),
      });
      const bucket = { ...storage, ca, observation, credentials };
      return {
        store: openBucket(bucket, world),
        prepare: (whole) => proveBucket(bucket, { ...world, store: whole }),
      };
    }
  }
}

/** Undefined if the file does not exist or cannot be read. */
function textOf(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined; // the caller reports a named profile without keys
  }
}

function prefixed(store: ObjectStore, { prefix }: StorageConfig): ObjectStore {
  return prefix === '' ? store : new PrefixedObjectStore(store, prefix);
}
