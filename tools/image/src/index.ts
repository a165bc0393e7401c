/** Exports of the image tool for other tools. */
export { buildImage, exportImage } from './build-image.ts';
export { Checks } from './checks.ts';
export {
  endProgramsOnSignals,
  interruptedCode,
  isInterrupted,
  lackOf,
  runAttached,
  runProgram,
} from './programs.ts';
export { buildTestImage, testTag } from './test-image.ts';
