import { testTargets } from '@loki/test-tools';
import { targets } from './lines.fuzz.ts';

// Protects against hostile bytes; `npm run fuzz` runs longer.

testTargets(targets);
