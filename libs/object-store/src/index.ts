export { FilesystemObjectStore } from './filesystem-object-store.ts';
export type { FilesystemObjectStoreOptions } from './filesystem-object-store.ts';
export { MemoryObjectStore } from './memory-object-store.ts';
export { MinioObjectStore } from './minio-object-store.ts';
export type { MinioObjectStoreOptions, S3Client } from './minio-object-store.ts';
