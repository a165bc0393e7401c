export { marketplaceSets, releaseOf } from './marketplace.ts';
export type { Part } from './marketplace.ts';
export { packExtension } from './pack-extension.ts';
export { bringHelm, bringKubectl, programsCache } from './programs.ts';
