import type { StorageConfig } from '@loki/config';
import { FilesystemObjectStore } from '@loki/object-store';
import { NodeDisk } from '@loki/runtime';

/** What a worker thread is started with. */
export interface WorkerData {
  readonly storage: StorageConfig;
  /** Decoded blocks that one worker may keep. */
  readonly blockCacheBytes: number;
}

/** The store that the configuration names. The process has one, and so has each of its workers. */
export function openObjectStore(storage: StorageConfig): FilesystemObjectStore {
  if (storage.kind === 'filesystem')
    return new FilesystemObjectStore({ disk: new NodeDisk(storage.directory) });
  throw new Error(`object store ${storage.kind} is not available in one process yet`);
}
