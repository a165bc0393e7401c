/** Protects against damaged and hostile bytes; `npm run fuzz` runs longer. */
import { testGoldenFiles, testTargets } from '@loki/test-tools';
import { goldenFiles, targets } from './ruler.fuzz.ts';

testTargets(targets);
testGoldenFiles(goldenFiles);
