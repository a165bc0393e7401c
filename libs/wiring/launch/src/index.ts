export { takeMemorySettings } from './memory-settings.ts';
