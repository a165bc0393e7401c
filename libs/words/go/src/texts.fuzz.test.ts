import { testTargets } from '@loki/test-tools';
import { targets } from './texts.fuzz.ts';

// Protects against hostile bytes; `npm run fuzz` runs longer.

testTargets(targets);
