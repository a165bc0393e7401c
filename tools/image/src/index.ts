export { Checks } from './checks.ts';
export { lackOf, runProgram } from './programs.ts';
export { buildTestImage, testTag } from './test-image.ts';
