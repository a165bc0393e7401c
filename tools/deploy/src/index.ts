/** Exports of the chart tools for other tools. */
export { marketplaceSets, releaseOf } from './marketplace.ts';
export type { Part } from './marketplace.ts';
export { packExtension } from './pack-extension.ts';
export { bringHelm, bringKubectl, programsCache } from './programs.ts';
