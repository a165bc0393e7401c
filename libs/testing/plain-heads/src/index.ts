export { PlainHeads } from './plain-heads.ts';
