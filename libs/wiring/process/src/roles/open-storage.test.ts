/** Protects the bill for the store: a process that reads nothing of it does not follow its catalog. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadConfig } from '@loki/config';
import type { Logger, Timers } from '@loki/ports';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { Metrics } from '@loki/telemetry';
import type { Cluster } from '../cluster/cluster.ts';
import { openStorage } from './open-storage.ts';
import type { RoleDeps } from './open-storage.ts';

const quiet = () => undefined;
const logger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };
const mib = 2 ** 20;

test.each([
  ['distributor', false],
  ['distributor,ingester', false],
  ['compactor', true],
  ['querier', true],
])('a process of %s follows the catalog: %s', async (target, isFollowing) => {
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
  let waits = 0;
  const timers: Timers = {
    sleep: (delayMs, signal) => new NodeTimers().sleep(delayMs, signal),
    after: () => {
      waits++;
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
  const cluster = { ingesters: { catalogNews: async () => async () => [] } } as unknown as Cluster;
  const storage = await openStorage(deps, cluster);
  try {
    expect([storage.follower !== undefined, waits > 0]).toEqual([isFollowing, isFollowing]);
  } finally {
    storage.follower?.stop();
    await storage.workers.close();
    fs.rmSync(directory, { recursive: true, force: true });
  }
});
