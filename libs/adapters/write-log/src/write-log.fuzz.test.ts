import { testGoldenFiles, testTargets } from '@loki/test-tools';
import { goldenFiles, targets } from './write-log.fuzz.ts';

// Protects against damaged and hostile bytes; `npm run fuzz` runs longer.

testTargets(targets);
testGoldenFiles(goldenFiles);
