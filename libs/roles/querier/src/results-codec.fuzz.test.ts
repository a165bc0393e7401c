/** Protects against hostile bytes; `npm run fuzz` runs longer. */
import { testTargets } from '@loki/test-tools';
import { targets } from './results-codec.fuzz.ts';

testTargets(targets);
