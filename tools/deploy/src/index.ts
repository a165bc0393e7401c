export { bringHelm, programsCache } from './programs.ts';
