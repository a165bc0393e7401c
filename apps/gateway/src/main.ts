#!/usr/bin/env node
/** Main program of a gateway as a process of its own. */
import { enableCompileCache } from 'node:module';
import { takeMemorySettings } from '@loki/launch';

takeMemorySettings();
// Sources are stripped of types and compiled once, not at each start: what follows must be loaded after this.
enableCompileCache();
const { run } = await import('@loki/process');
await run({ target: 'gateway' });
