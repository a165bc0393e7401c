/** Object stores: a bucket (S3), a directory, memory, and wrappers. */
export { credentialSource } from './credential-sources.ts';
export { DiskCacheIndex } from './disk-cache-index.ts';
export type { DiskCacheMemory } from './disk-cache-index.ts';
export { DiskCacheOwner } from './disk-cache-owner.ts';
export { DiskCache } from './disk-cache.ts';
export type { DiskCacheReports } from './disk-cache.ts';
export { FilesystemObjectStore } from './filesystem-object-store.ts';
export { HedgedObjectStore } from './hedged-object-store.ts';
export { MemoryObjectStore } from './memory-object-store.ts';
export { observedObjectStore } from './observed-object-store.ts';
export { openBucket, proveBucket } from './open-bucket.ts';
export { PrefixedObjectStore } from './prefixed-object-store.ts';
export { StoreTimes } from './store-times.ts';
