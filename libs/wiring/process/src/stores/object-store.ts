import fs from 'node:fs';
import type { StorageConfig } from '@loki/config';
import { FilesystemObjectStore, openBucket, PrefixedObjectStore, proveBucket } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { NodeClock, NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';
import type { StoreObserver } from '@loki/telemetry';
import { patiently } from './patiently.ts';
import type { Patience } from './patiently.ts';

/** The start data of a worker thread. */
export interface WorkerData {
  readonly storage: StorageConfig;
  /** Decoded blocks that one worker may keep. */
  readonly blockCacheBytes: number;
  /** Bytes that the scans of one worker may hold. */
  readonly leafBytesMax: number;
  /** Name of the channel that takes reports of its calls to the store. */
  readonly reportsChannel: string;
}

/** The store that the configuration names. The process has one, and so has each of its workers. */
export function openObjectStore(storage: StorageConfig, observer?: StoreObserver): ObjectStore {
  return prefixed(openStorage(storage, observer).store, storage);
}

/**
 * The same, once in a process and before anything is stored: cleans up, and refuses a bucket that will not
 * do.
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
      const observation = observer && { observer, clock: new NodeClock() };
      const bucket = withCredentials({ ...storage, ca, observation }, process.env);
      const world = { timers: new NodeTimers(), random: new NodeRandom() };
      return {
        store: openBucket(bucket, world),
        prepare: (whole) => proveBucket(bucket, { ...world, store: whole }),
      };
    }
  }
}

/**
 * Without a key in the configuration: that of the environment, or the role that it names, as S3 clients have
 * it.
 */
export function withCredentials<
  T extends { accessKeyId: string; secretAccessKey: string; sessionToken: string },
>(storage: T, env: Readonly<Record<string, string | undefined>>): T & { readonly hasRole: boolean } {
  const has = (name: string) => Boolean(env[name]);
  if (storage.accessKeyId !== '') return { ...storage, hasRole: false };
  if (has('AWS_ACCESS_KEY_ID') && has('AWS_SECRET_ACCESS_KEY')) {
    return {
      ...storage,
      accessKeyId: env['AWS_ACCESS_KEY_ID']!,
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY']!,
      sessionToken: env['AWS_SESSION_TOKEN'] ?? '',
      hasRole: false,
    };
  }
  return { ...storage, hasRole: roleVariables.some(has) };
}

const roleVariables = [
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
];

function prefixed(store: ObjectStore, { prefix }: StorageConfig): ObjectStore {
  return prefix === '' ? store : new PrefixedObjectStore(store, prefix);
}
