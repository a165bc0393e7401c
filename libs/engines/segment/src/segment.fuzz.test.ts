import { testGoldenFiles, testTargets } from '@loki/test-tools';
import { goldenFiles, targets } from './segment.fuzz.ts';

// Protects against damaged and hostile bytes; `npm run fuzz` runs longer.

testTargets(targets);
testGoldenFiles(goldenFiles);
