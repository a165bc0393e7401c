/** The faults of the chaos test, and the seed's choice of them for each round. */
import type { AppName } from '@loki/dev-cluster';
import type { Prng } from '@loki/virtual';
import { loseBroker, loseTwoBrokers } from './broker-loss.ts';
import { skewClock } from './clock-skew.ts';
import { cutProduce, cutPush } from './cuts.ts';
import { hold, pick, wait } from './fault.ts';
import type { Fault, FaultWorld } from './fault.ts';
import { brokerCount, hasMinio, imageOf, rewind } from './services.ts';
import type { RedisImage } from './services.ts';
import { loseStore } from './store-outage.ts';
import type { System } from './system.ts';

const readyMs = 90_000;
/**
 * A replaced process is ready for this long before the next one stops: longer than clients wait before a
 * retry.
 */
const steadyMs = 1_000;

const killed: readonly AppName[] = ['gateway', 'distributor', 'ingester', 'querier', 'compactor'];
const rolled: readonly AppName[] = ['gateway', 'distributor', 'ingester', 'querier'];
const upgraded = killed;
/** A distributor with a wrong clock rightly refuses lines that are too old or too new by it. */
const skewed: readonly AppName[] = ['gateway', 'ingester', 'querier', 'compactor'];

export const faults: readonly Fault[] = [
  ...killed.map((app): Fault => ({ kind: `kill-${app}`, group: app, run: (world) => kill(world, app) })),
  ...killed.map((app): Fault => ({ kind: `pause-${app}`, group: app, run: (world) => pause(world, app) })),
  ...killed.map((app): Fault => ({
    kind: `restart-${app}`,
    group: app,
    run: (world) => restart(world, app),
  })),
  ...rolled.map((app): Fault => ({ kind: `roll-${app}`, group: app, run: (world) => roll(world, app) })),
  { kind: 'scale-ingester', group: 'ingester', run: scale },
  { kind: 'kill-broker', group: 'kafka', run: killBroker },
  // A query too must know the log's end: a line that was just acknowledged must not be missing.
  { kind: 'kill-all-brokers', group: 'kafka', excuses: { push: true, query: true }, run: killAllBrokers },
  { kind: 'lose-broker', group: 'kafka', isSpecial: true, run: loseBroker },
  {
    kind: 'lose-two-brokers',
    group: 'kafka',
    isSpecial: true,
    excuses: { push: true, query: true },
    run: loseTwoBrokers,
  },
  { kind: 'cut-produce', group: 'kafka', run: cutProduce },
  { kind: 'cut-push', group: 'client', run: cutPush },
  ...upgraded.map((app): Fault => ({
    kind: `upgrade-${app}`,
    group: app,
    isSpecial: true,
    run: (world) => roll(world, app, () => world.system.upgrade(app)),
  })),
  ...skewed.map((app): Fault => ({
    kind: `skew-${app}`,
    group: app,
    isSpecial: true,
    run: (world) => skewClock(world, app),
  })),
  { kind: 'add-partitions', group: 'distributor', isSpecial: true, run: addPartitions },
  { kind: 'stop-redis', group: 'redis', run: stopRedis },
  { kind: 'empty-redis', group: 'redis', run: emptyRedis },
  { kind: 'rewind-redis', group: 'redis', run: rewindRedis },
  // Flushed rows are only there.
  ...(hasMinio()
    ? ([
        { kind: 'stop-minio', group: 'minio', excuses: { query: true }, run: stopMinio },
        { kind: 'lose-minio', group: 'minio', isSpecial: true, excuses: { query: true }, run: loseStore },
      ] as const)
    : []),
];

/**
 * The faults of each round, without end: each kind once, in an order that the seed decides, before any comes
 * again. Faults of one round never share a group.
 *
 * @param atOnce faults of each round; undefined: one, and often two
 */
export function* drawRounds(
  random: Prng,
  kinds: readonly Fault[],
  atOnce?: number,
): Generator<readonly Fault[], never> {
  let deck: Fault[] = [];
  const take = (others: readonly Fault[]): Fault[] => {
    if (deck.length === 0) deck = shuffled(random, kinds);
    const at = deck.findIndex((fault) => others.every(({ group }) => group !== fault.group));
    return at < 0 ? [] : deck.splice(at, 1);
  };
  for (;;) {
    const faultsOfRound = take([]);
    const count = atOnce ?? (random.chance(0.4) ? 2 : 1);
    while (faultsOfRound.length < count) {
      const next = take(faultsOfRound);
      if (next.length === 0) break;
      faultsOfRound.push(...next);
    }
    yield faultsOfRound;
  }
}

function shuffled(random: Prng, items: readonly Fault[]): Fault[] {
  const left = [...items];
  return items.map(() => left.splice(random.int(0, left.length - 1), 1)[0]);
}

async function kill(world: FaultWorld, app: AppName): Promise<string> {
  const target = pick(world, app);
  await world.system.kill(target);
  await hold(world);
  world.system.launch(target);
  return target.name;
}

async function pause(world: FaultWorld, app: AppName): Promise<string> {
  const target = pick(world, app);
  world.system.pause(target);
  const ms = world.random.int(world.pauseMs.min, world.pauseMs.max);
  await wait(world, ms);
  world.system.resume(target);
  return `${target.name} for ${(ms / 1000).toFixed(1)} s`;
}

async function restart(world: FaultWorld, app: AppName): Promise<string> {
  const target = pick(world, app);
  await world.system.terminate(target);
  world.system.launch(target);
  return target.name;
}

const partitionsAdded = 3;
/** Three stages a minute apart, of processes that ask every half a minute. */
const partitionsWithinMs = 360_000;
const partitionsAskMs = 2_000;
/** Lines on both sides of the moment from which rows go to the new partitions. */
const partitionsAfterMs = 20_000;

/** As the guide has it: a larger `write_log.partitions`, and a restart of all distributors. */
async function addPartitions(world: FaultWorld): Promise<string> {
  const { system } = world;
  const before = system.partitions;
  const count = system.addPartitions(partitionsAdded);
  await roll(world, 'distributor');
  const beganMs = performance.now();
  for (;;) {
    // A gateway may be down at the moment: another fault of the round. All come into use at once, but the few
    // streams may leave one of them out.
    const written = await system.writtenPartitions(before).catch(() => 0);
    const seconds = (performance.now() - beganMs) / 1000;
    if (written > 0) {
      await wait(world, partitionsAfterMs);
      return `${count} partitions, the new ones written to after ${seconds.toFixed(0)} s`;
    }
    if (seconds * 1000 > partitionsWithinMs) {
      throw new Error(`none of the partitions from ${before} to ${count - 1} has records`);
    }
    await wait(world, partitionsAskMs);
  }
}

/**
 * One after the other, each ready for some time before the next stops, as in a rollout: a client that the
 * first one refused just before it was ready, and that retries at the second, must find one of them.
 */
async function roll(world: FaultWorld, app: AppName, before: () => void = () => undefined): Promise<string> {
  const { system } = world;
  before();
  const all = system.of(app);
  for (const [i, each] of all.entries()) {
    await system.terminate(each);
    system.launch(each);
    if (i === all.length - 1) break;
    await system.untilReady(each, readyMs);
    await wait(world, steadyMs);
  }
  return `${all.length} of them`;
}

async function scale(world: FaultWorld): Promise<string> {
  const { system } = world;
  const added = await system.addIngester();
  await system.untilReady(added, readyMs);
  await hold(world);
  await system.removeIngester(added);
  return added.name;
}

async function killBroker(world: FaultWorld): Promise<string> {
  const broker = world.random.int(1, brokerCount);
  const { kafka } = world.system.services;
  await kafka.kill(broker);
  await hold(world);
  await kafka.revive(broker);
  return `broker ${broker}`;
}

async function killAllBrokers(world: FaultWorld): Promise<string> {
  const { kafka } = world.system.services;
  const brokers = Array.from({ length: brokerCount }, (_, i) => i + 1);
  await Promise.all(brokers.map((broker) => kafka.kill(broker)));
  await hold(world);
  await Promise.all(brokers.map((broker) => kafka.revive(broker)));
  return 'all brokers';
}

async function stopRedis(world: FaultWorld): Promise<string> {
  const { redis } = world.system.services;
  await redis.stop();
  // Longer than members may be silent: no member may be removed while heartbeats are impossible for all.
  await wait(world, world.random.int(5_000, 15_000));
  await redis.start();
  return 'stopped, and back empty';
}

async function emptyRedis({ system }: FaultWorld): Promise<string> {
  await rewind(system.services.redis.port, []);
  return 'emptied';
}

async function rewindRedis({ system, redisImage }: FaultWorld): Promise<string> {
  await rewind(system.services.redis.port, redisImage);
  return `put back ${redisImage.length} keys`;
}

async function stopMinio(world: FaultWorld): Promise<string> {
  const { minio } = world.system.services;
  await minio!.stop();
  await hold(world);
  await minio!.start();
  return 'stopped';
}

/** Redis as it is now, for a later `rewind-redis`. */
export function redisImage(system: System): Promise<RedisImage> {
  return imageOf(system.services.redis.port);
}
