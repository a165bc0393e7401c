/** Object stores: a bucket (S3), a directory, memory, and wrappers. */
export { credentialSource } from './credential-sources.ts';
export { FilesystemObjectStore } from './filesystem-object-store.ts';
export { MemoryObjectStore } from './memory-object-store.ts';
export { observedObjectStore } from './observed-object-store.ts';
export { openBucket, proveBucket } from './open-bucket.ts';
export { PrefixedObjectStore } from './prefixed-object-store.ts';
