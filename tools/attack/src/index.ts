export { Product } from './product.ts';
export { Pushes } from './pushes.ts';
export { tellVerdict } from './verdict.ts';
