export { FilesystemObjectStore } from './filesystem-object-store.ts';
export type { FilesystemObjectStoreOptions } from './filesystem-object-store.ts';
export { MemoryObjectStore } from './memory-object-store.ts';
export { MinioObjectStore } from './minio-object-store.ts';
export type { MinioObjectStoreOptions, S3Client } from './minio-object-store.ts';
export { openBucket, proveBucket } from './open-bucket.ts';
export type { BucketOptions } from './open-bucket.ts';
export { PrefixedObjectStore } from './prefixed-object-store.ts';
