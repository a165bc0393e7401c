export { Product } from './product.ts';
export { Pushes } from './pushes.ts';
