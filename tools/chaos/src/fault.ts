/** A fault: breaks one part of the system and mends it. */
import type { Told } from '@loki/canary';
import type { AppName, AppProcess } from '@loki/dev-cluster';
import type { Prng } from '@loki/virtual';
import type { RedisImage } from './services.ts';
import type { System } from './system.ts';

/** The system, services and budget that a fault works with. */
export interface FaultWorld {
  readonly system: System;
  readonly random: Prng;
  /** The shortest and the longest SIGSTOP. */
  readonly pauseMs: { readonly min: number; readonly max: number };
  /** Aborted at the end of the run: the fault ends at once, and the part stays broken. */
  readonly signal: AbortSignal;
  /** The content of Redis some rounds ago. */
  readonly redisImage: RedisImage;
  /** Pushes that ended in [fromMs, toMs), on the clock of `performance.now()`. */
  readonly pushes: (fromMs: number, toMs: number) => readonly Told[];
}

/** A kind of fault. */
export interface Fault {
  readonly kind: string;
  /** The part of the system that loses capacity: two faults of one round never share it. */
  readonly group: AppName | 'kafka' | 'redis' | 'minio' | 'client';
  /** Kinds of requests that may fail meanwhile, because no process is left to answer. */
  readonly excuses?: { readonly push?: boolean; readonly query?: boolean };
  /**
   * The fault is not among all kinds, because it takes long or has requirements; a scenario or `--only` names
   * it.
   */
  readonly isSpecial?: true;
  /**
   * Breaks, waits, mends. Resolves with the name of the broken part once its last process has been started
   * again.
   */
  readonly run: (world: FaultWorld) => Promise<string>;
}

/** Duration of an outage, unless the fault has its own. */
const holdMs = { min: 1_000, max: 6_000 } as const;

export function pick({ system, random }: FaultWorld, app: AppName): AppProcess {
  return random.pick(system.of(app));
}

export function hold(world: FaultWorld): Promise<void> {
  return wait(world, world.random.int(holdMs.min, holdMs.max));
}

export function wait({ signal }: FaultWorld, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Error('the run ends'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
