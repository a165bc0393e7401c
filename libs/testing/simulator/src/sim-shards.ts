/** Sharded streams of a simulated process: rates, limits, and the log of steps with counted faults. */
import { StreamShards } from '@loki/catalog';
import type { ObjectStore } from '@loki/ports';
import { Prng, traceLogger } from '@loki/virtual';
import type { VirtualProcess } from '@loki/virtual';
import { patiently } from './patiently.ts';
import { shardsByRate } from './planted-bugs.ts';
import type { PlantedBug } from './planted-bugs.ts';

/** So low that a seed's clients are refused, and their streams get several shards. */
export interface SimStreamRates {
  readonly desiredRateBytes: number;
  readonly rateBytes: number;
  readonly burstBytes: number;
}

/** Each third seed has these limits; seeds of former failures do not, so that they play as they did then. */
export function drawStreamRates(seed: number, bug?: string): SimStreamRates | undefined {
  if (seed % 3 !== 1 && bug !== 'shardsByRate') return undefined;
  const random = new Prng(`stream rates ${seed}`);
  const rateBytes = random.pick([200, 1_000, 5_000]);
  return {
    desiredRateBytes: random.pick([100, 500, 2_000]),
    rateBytes,
    burstBytes: rateBytes * random.int(1, 5),
  };
}

/** The part of a simulated world that shards need. */
interface ShardWorld {
  readonly bug: PlantedBug | undefined;
  readonly onCount: (name: 'sharded', by: number) => void;
}

/** Requests of a distributor for shards. */
export type SimShards = Pick<StreamShards, 'of' | 'want'> & Partial<Pick<StreamShards, 'caughtUp'>>;

export async function startShards(
  process: VirtualProcess,
  objectStore: ObjectStore,
  { bug, onCount }: ShardWorld,
): Promise<SimShards> {
  const { clock, timers, name } = process;
  const logger = traceLogger(process);
  const healthyDistributors = () => 1;
  const shards = new StreamShards({ objectStore, clock, timers, logger, writer: name, healthyDistributors });
  await patiently(() => shards.start(), process);
  return countingShards(bug === 'shardsByRate' ? shardsByRate() : shards, onCount);
}

/** Counts streams of pushes that have steps. */
export function countingShards(shards: SimShards, onCount: (name: 'sharded', by: number) => void): SimShards {
  return {
    caughtUp: () => shards.caughtUp?.(),
    of(placement) {
      const steps = shards.of(placement);
      if (steps) onCount('sharded', 1);
      return steps;
    },
    want: (placement, count, newestSeconds) => shards.want(placement, count, newestSeconds),
  };
}
