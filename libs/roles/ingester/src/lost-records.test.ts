/**
 * Protects the operator from silent loss: acknowledged records that the log cannot read any more are logged
 * and counted.
 */
import type { Logger } from '@loki/ports';
import { ingesterMetrics, Metrics } from '@loki/telemetry';
import { VirtualProcess } from '@loki/virtual';
import { EmbeddedWriteLog } from '@loki/write-log';
import { World } from './test/world.ts';

const row = (i: number) => ({ app: 'x', ns: 1_700_000_000_000_000_000n + BigInt(i), line: `line ${i}` });

/** A log of five files with a record each, opened anew after `change`. */
async function reopened(change: (world: World, paths: readonly string[]) => void): Promise<World> {
  const world = await World.open();
  const open = () => {
    const process = new VirtualProcess(world.scheduler, 'log');
    const { timers, random } = process;
    const disk = world.disk.client(process);
    return world.do(EmbeddedWriteLog.open({ disk, timers, random, partitionCount: 1, fileBytesMax: 1 }));
  };
  world.log = await open();
  for (let i = 0; i < 5; i++) await world.append([row(i)]);
  await world.do(world.log.close());
  change(
    world,
    world.disk
      .paths()
      .filter((path) => path.endsWith('.log'))
      .sort(),
  );
  world.log = await open();
  return world;
}

test.each([
  [
    'a missing file in the middle',
    (world: World, paths: readonly string[]) => world.disk.remove(paths[2]),
    [2],
  ],
  [
    'two missing files at the front',
    (world: World, paths: readonly string[]) => paths.slice(0, 2).forEach((path) => world.disk.remove(path)),
    [0, 1],
  ],
  [
    'a file that was cut',
    (world: World, paths: readonly string[]) => world.disk.truncate(world.disk.inode(paths[3]), 60),
    [3],
  ],
  [
    'the newest file cut',
    (world: World, paths: readonly string[]) => world.disk.truncate(world.disk.inode(paths[4]), 60),
    [4],
  ],
  [
    'the two newest files missing',
    (world: World, paths: readonly string[]) => paths.slice(3).forEach((path) => world.disk.remove(path)),
    [3, 4],
  ],
  [
    'all files missing',
    (world: World, paths: readonly string[]) => paths.forEach((path) => world.disk.remove(path)),
    [0, 1, 2, 3, 4],
  ],
])('%s', async (_, change, lost) => {
  const world = await reopened(change);
  const metrics = new Metrics();
  const lines: string[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (message, fields) => void lines.push(`${message} ${JSON.stringify(fields)}`),
    child: () => logger,
  };
  const ingester = await world.ready(
    {},
    { logger, metrics: ingesterMetrics(metrics), onForeignCommit: () => {} },
  );
  const sound = [0, 1, 2, 3, 4].filter((i) => !lost.includes(i));
  expect(await world.headLines(ingester)).toEqual(sound.map((i) => `line ${i}`));
  const range = { partition: 0, fromOffset: lost[0], toOffset: lost[0] + lost.length, records: lost.length };
  expect(lines).toEqual([
    `the write log has lost records: a file is cut, damaged or missing ${JSON.stringify(range)}`,
  ]);
  expect(await metrics.text()).toContain(`loki_ingester_wal_records_lost_total ${lost.length}`);
});
