#!/usr/bin/env node
/** Main program of an ingester as a process of its own. */
import { enableCompileCache } from 'node:module';
import { takeMemorySettings } from '@loki/launch';

takeMemorySettings();
// Node compiles the sources once, not at each start. All imports below must come after this line.
enableCompileCache();
const { run } = await import('@loki/process');
await run({ target: 'ingester' });
