export { FilesystemObjectStore } from './filesystem-object-store.ts';
export type { FilesystemObjectStoreOptions } from './filesystem-object-store.ts';
export { MemoryObjectStore } from './memory-object-store.ts';
