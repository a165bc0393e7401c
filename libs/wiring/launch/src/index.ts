/** Public exports of launch, for main programs. */
export { takeMemorySettings } from './memory-settings.ts';
