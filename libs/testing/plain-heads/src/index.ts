/** Public exports of plain heads, for tests of roles. */
export { PlainHeads } from './plain-heads.ts';
