/** Exports of the attack tool for other tools. */
export { Product } from './product.ts';
export { Pushes } from './pushes.ts';
export { tellVerdict } from './verdict.ts';
