/** Injects the drawn faults into a simulated cluster. */
import type { Prng, VirtualScheduler } from '@loki/virtual';
import type { ClusterFaults } from './cluster-faults.ts';
import type { Fleet } from './cluster-fleet.ts';
import type { ClusterWorld } from './cluster-world.ts';
import { isExcused } from './sim-clients.ts';

interface ClusterNemesisDeps {
  readonly scheduler: VirtualScheduler;
  readonly random: Prng;
  readonly world: ClusterWorld;
  readonly fleet: Fleet;
  readonly faults: ClusterFaults;
  /** No more faults once this holds. */
  readonly isOver: () => boolean;
  /** Adds or removes an ingester. */
  readonly onMove: () => void;
}

/** Injects each fault about as often as the seed has drawn. */
export function startClusterNemesis(deps: ClusterNemesisDeps): void {
  const { scheduler, random, world, fleet, faults } = deps;
  const { network, bucket, log, rings } = world;
  const each = (meanMs: number, label: string, action: () => void) => every(deps, meanMs, label, action);
  const forWhile = (maxMs: number, label: string, end: () => void) =>
    void scheduler.after(random.float() * maxMs, label, end);

  each(faults.crashEveryMs, 'crash', () => {
    const process = fleet.anyProcess();
    if (process) fleet.crash(process);
  });
  each(faults.pauseEveryMs, 'pause', () =>
    fleet.anyProcess()?.pause(random.float() * random.pick([2_000, 30_000])),
  );
  each(faults.clockJumpEveryMs, 'clock', () => {
    const process = fleet.anyProcess();
    if (process) process.clock.offsetMs = (random.float() - 0.5) * 2 * 86_400_000;
  });
  each(faults.cutEveryMs, 'cut', () => {
    const places = [...fleet.names(), 'clients', 'store', 'log', 'rings'];
    const [from, to] = [random.pick(places), random.pick(places)];
    network.cut(from, to);
    if (random.chance(0.5)) network.cut(to, from);
    forWhile(random.pick([2_000, 20_000]), `mend ${from} ${to}`, () => {
      network.heal(from, to);
      network.heal(to, from);
    });
  });
  each(faults.leaderMoveEveryMs, 'leader moves', () => log.moveLeader(random.int(0, log.partitionCount - 1)));
  each(faults.logDownEveryMs, 'log down', () => {
    log.faults.down = true;
    forWhile(8_000, 'log up', () => (log.faults.down = false));
  });
  each(faults.storeDownEveryMs, 'store down', () => {
    bucket.faults.down = true;
    forWhile(8_000, 'store up', () => (bucket.faults.down = false));
  });
  each(faults.ringDownEveryMs, 'rings down', () => {
    rings.faults.down = true;
    forWhile(20_000, 'rings up', () => (rings.faults.down = false));
  });
  each(faults.ringWipeEveryMs, 'rings emptied', () => rings.wipe());
  each(faults.ringRewindEveryMs, 'rings set back', () => rings.rewind());
  each(faults.scaleEveryMs, 'scale', () => {
    deps.onMove();
    if (random.chance(0.5)) fleet.addIngester();
    else fleet.removeIngester();
  });
  each(faults.flushEveryMs, 'flush', () => {
    for (const ingester of fleet.ingesters()) {
      ingester.flush().catch((error: unknown) => {
        if (!isExcused(error)) scheduler.fail(error);
      });
    }
  });
}

/** Repeats `action`, on average each `meanMs`, until it is over. */
function every(deps: ClusterNemesisDeps, meanMs: number, label: string, action: () => void): void {
  if (!Number.isFinite(meanMs)) return;
  const delayMs = -Math.log(1 - deps.random.float()) * meanMs;
  deps.scheduler.after(delayMs, label, () => {
    if (deps.isOver()) return;
    action();
    every(deps, meanMs, label, action);
  });
}
