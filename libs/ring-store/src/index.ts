export { MemoryRingStore } from './memory-ring-store.ts';
