/** Planted mistakes in the removal of old manifests and in checkpoints, which the simulator must find. */
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import type { VirtualProcess } from '@loki/virtual';
import { overriding } from './planted-bugs.ts';

/** Mistakes that the judge must find. */
export const catalogBugs = {
  readersIgnoreSeals: 'a reader that slept takes a removed manifest for one that was never written',
  writersIgnoreSeals: 'a writer that slept creates a removed manifest again and has committed',
  sealedLate: 'manifests are removed before their seal is durable',
  partsForgotten:
    'parts of checkpoints of compactions count as stored, and are in the memory of processes only',
} as const;

/** Name of a mistake in the removal of manifests that the simulator must find. */
export type CatalogBug = keyof typeof catalogBugs;

/** Parts of checkpoints: of a partition, and of the compactors' log. */
export const partPrefixes = ['catalog/checkpoint-parts/', 'catalog/compaction-checkpoint-parts/'] as const;

const sealPart = '/seals/';
const sealDelayMs = 60_000;

/** No seal is ever there. */
export function storeWithoutSeals(store: ObjectStore): ObjectStore {
  const get: ObjectStore['get'] = async (key, signal) => {
    if (key.includes(sealPart)) throw new LokiError('notFound', key);
    return store.get(key, signal);
  };
  return overriding(store, { get });
}

/** Seals are called durable at once, and come much later. */
export function storeThatSealsLate(store: ObjectStore, process: VirtualProcess): ObjectStore {
  const seals = new Map<string, Uint8Array>();
  const putIfAbsent: ObjectStore['putIfAbsent'] = async (key, bytes, signal) => {
    if (!key.includes(sealPart)) return store.putIfAbsent(key, bytes, signal);
    seals.set(key, bytes);
    process.after(sealDelayMs, `late ${key}`, () => {
      store.putIfAbsent(key, bytes).catch(() => undefined); // the next removal seals again
    });
    return true;
  };
  const get: ObjectStore['get'] = async (key, signal) => {
    const bytes = seals.get(key);
    return bytes ? Buffer.from(bytes) : store.get(key, signal);
  };
  return overriding(store, { putIfAbsent, get });
}

/**
 * Parts of checkpoints of compactions stay in `parts`, which the processes with this store share: to them
 * checkpoints are sound.
 */
export function storeThatForgetsParts(store: ObjectStore, parts: Map<string, Uint8Array>): ObjectStore {
  const putIfAbsent: ObjectStore['putIfAbsent'] = async (key, bytes, signal) => {
    if (!key.startsWith(partPrefixes[1])) return store.putIfAbsent(key, bytes, signal);
    parts.set(key, bytes);
    return true;
  };
  const get: ObjectStore['get'] = async (key, signal) => {
    const bytes = parts.get(key);
    return bytes ? Buffer.from(bytes) : store.get(key, signal);
  };
  return overriding(store, { putIfAbsent, get });
}
