import { testGoldenFiles, testTargets } from '@loki/test-tools';
import { goldenFiles, targets } from './ruler.fuzz.ts';

// Protects against damaged and hostile bytes; `npm run fuzz` goes on for longer.

testTargets(targets);
testGoldenFiles(goldenFiles);
