export { packExtension } from './pack-extension.ts';
export { bringHelm, programsCache } from './programs.ts';
