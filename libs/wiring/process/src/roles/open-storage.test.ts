/** Protects the bill for the store: a process that reads nothing of it does not follow its catalog. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadConfig } from '@loki/config';
import type { Logger, Timers } from '@loki/ports';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { Metrics } from '@loki/telemetry';
import { openStorage } from './open-storage.ts';
import type { RoleDeps } from './open-storage.ts';

const quiet = () => undefined;
const logger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };
const mib = 2 ** 20;
const catalogPollMs = 15_000;

test.each([
  ['distributor', 0],
  ['distributor,ingester', 1],
  ['querier', 1],
])('a process of %s follows the catalog %i times', async (target, expected) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-open-storage-'));
  const loaded = await loadConfig({
    argv: ['-config.file=a', `-target=${target}`],
    env: () => undefined,
    readText: async () => `
common: {path_prefix: ${directory}, storage: {filesystem: {chunks_directory: ${directory}/chunks, rules_directory: ${directory}/rules}}}
`,
    versionText: '',
  });
  if (loaded.kind !== 'run') throw new Error(loaded.stderr);
  const pauses: number[] = [];
  const timers: Timers = {
    sleep: (delayMs, signal) => new NodeTimers().sleep(delayMs, signal),
    after: (delayMs) => {
      pauses.push(delayMs);
      return { cancel: quiet };
    },
  };
  const memory = { blockCacheBytesMax: mib, leafBytesMaxPerThread: mib, threadHeapMib: 64 };
  const deps = {
    config: loaded.config,
    clock: new NodeClock(),
    timers,
    random: new NodeRandom(),
    logger,
    metrics: new Metrics(),
    memory,
    onMissing: quiet,
  } as unknown as RoleDeps;
  const storage = await openStorage(deps, undefined as never);
  try {
    expect(pauses.filter((pause) => pause === catalogPollMs)).toHaveLength(expected);
  } finally {
    storage.catalog.stop();
    await storage.workers.close();
    fs.rmSync(directory, { recursive: true, force: true });
  }
});
