export { buildImage, exportImage } from './build-image.ts';
