import fs from 'node:fs';
import path from 'node:path';
import { loadConfig } from './load-config.ts';
import { reasons } from './no-effect.ts';
import { limitKeys, limitKeysRead } from './read-limits.ts';
import { schema } from './schema.ts';

// Protects operators: a key that has no effect is reported as such.

const root = path.resolve(__dirname, '../../../..');

/** Product code below a directory, without this library, which names every field. */
function sourcesOf(directory: string): string[] {
  return fs.readdirSync(directory, { withFileTypes: true, recursive: true }).flatMap((entry) => {
    const file = path.join(entry.parentPath, entry.name);
    const isProduct = !/\.test\.ts$|\/test\/|\/node_modules\/|^libs\/testing\//.test(
      path.relative(root, file),
    );
    const isSource = entry.isFile() && file.endsWith('.ts') && isProduct && !file.startsWith(__dirname);
    return isSource ? [fs.readFileSync(file, 'utf8')] : [];
  });
}

/** Fields that are read before the program starts, to derive other values. */
const settledHere = new Set([
  // The owners of a partition are in different zones wherever there are any.
  'zoneAwarenessEnabled',
  // Must be set for retention; the requests are where the data is.
  'deleteRequestStore',
]);

test('what the configuration offers the program, the program uses', () => {
  const text = ['libs', 'apps'].flatMap((each) => sourcesOf(path.join(root, each))).join('\n');
  const words = new Set(text.match(/\w+/g));
  const fields = ['config.ts', 'role-config.ts', 'service-config.ts', 'limits.ts'].flatMap((file) =>
    [...fs.readFileSync(path.join(__dirname, file), 'utf8').matchAll(/readonly (\w+)\??:/g)].map(
      ([, name]) => name,
    ),
  );
  expect(fields.length).toBeGreaterThan(200);
  expect(fields.filter((name) => !words.has(name) && !settledHere.has(name))).toEqual([]);
});

test('each reason is for keys that there are', () => {
  const paths = [...schema().byPath.keys()];
  const unknown = [...reasons.keys()].filter(
    (each) => !paths.some((key) => key === each || key.startsWith(`${each}.`)),
  );
  // A key that only older versions have is reported as such, with a reason of its own.
  expect(unknown).toEqual([]);
});

test('a limit without effect has a reason', () => {
  const silent = limitKeys().filter((key) => !limitKeysRead().has(key));
  const isExplained = (key: string) =>
    [...reasons.keys()].some(
      (each) => `limits_config.${key}` === each || `limits_config.${key}`.startsWith(`${each}.`),
    );
  expect(silent.filter((key) => !isExplained(key))).toEqual([]);
});

async function noticesOf(yaml: string): Promise<string[]> {
  const loaded = await loadConfig({
    argv: ['-config.file=a'],
    env: () => undefined,
    readText: () => Promise.resolve(yaml),
    versionText: '',
  });
  if (loaded.kind !== 'run') throw new Error(loaded.stderr);
  return loaded.notices.map(({ message }) => message);
}

test('keys without effect are told once, with the reason that they share', async () => {
  const yaml = [
    'auth_enabled: true',
    'querier: {max_concurrent: 4, extra_query_delay: 1s}',
    'query_range: {instant_metric_query_split_align: true}',
    'query_scheduler: {use_scheduler_ring: false}',
    'frontend: {scheduler_address: "x:9095", log_queries_longer_than: 5s}',
    'limits_config: {max_query_series: 7, cardinality_limit: 5, bloom_creation_enabled: false, bloom_max_block_size: 1MB}',
  ].join('\n');
  expect((await noticesOf(yaml)).filter((text) => text.startsWith('accepted, no effect'))).toEqual([
    'accepted, no effect: frontend.scheduler_address, query_scheduler.use_scheduler_ring (scheduler and query frontend are one process here); ' +
      'limits_config.bloom_creation_enabled, limits_config.bloom_max_block_size (search filters are built by the compactor, without settings); ' +
      'limits_config.cardinality_limit (use limits_config.max_query_memory); ' +
      'querier.extra_query_delay (one owner answers for each partition); ' +
      'query_range.instant_metric_query_split_align (parts always begin and end at multiples of the interval)',
  ]);
});
