/** Long work in slices, so that the main thread stays responsive. */
import type { Clock, Timers } from './time.ts';

/** Work that yields from time to time, so that its driver can let other work run. */
export type SlicedWork<T> = Generator<undefined, T, undefined>;

/** Longest time that a slice keeps the thread. Other work waits for a few slices at most. */
const sliceMs = 10;

/** Does all of the work at once, without pauses. */
export function atOnce<T>(work: SlicedWork<T>): T {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

/**
 * Does all of the work in slices and lets other work run between them.
 *
 * @param beforePause called and awaited before other work runs
 */
export async function inSlices<T>(
  work: SlicedWork<T>,
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  beforePause: () => Promise<void> | void = () => undefined,
): Promise<T> {
  let beganMs = clock.monotonicMs();
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
    if (clock.monotonicMs() - beganMs < sliceMs) continue;
    await beforePause();
    await nextTurn(timers);
    beganMs = clock.monotonicMs();
  }
}

type Sleeper = Pick<Timers, 'sleep'>;

/** Works that wait for their next slice. */
interface Waiting {
  /** By tenant, in the order of the tenants' next turns; '': works without a tenant. */
  readonly works: Map<string, (() => void)[]>;
  /** Messages of tails: a thousand may be due at the same moment. */
  readonly tails: (() => void)[];
  /** Turns of works since the last one of a tail. */
  worksInARow: number;
}

/** While works wait, a tail gets one turn in eight: tails are slow then, and go on. */
const turnsPerTail = 8;

/** By thread: its timers identify it. */
const waitingByThread = new WeakMap<Sleeper, Waiting>();

interface TurnOptions {
  /** `tail`: works of pushes and queries go first. */
  readonly rank?: 'work' | 'tail';
  /** Tenants take turns, works of one tenant go in order. Works without a tenant count as one. */
  readonly tenant?: string;
}

/**
 * Lets other work run. Each turn of the event loop continues one sliced work, so a request waits for one
 * slice even when many works are in progress.
 */
export function nextTurn(timers: Sleeper, { rank = 'work', tenant = '' }: TurnOptions = {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let waiting = waitingByThread.get(timers);
  const isFirst = !waiting;
  if (!waiting) waitingByThread.set(timers, (waiting = { works: new Map(), tails: [], worksInARow: 0 }));
  if (rank === 'tail') waiting.tails.push(resolve);
  else queueOf(waiting.works, tenant).push(resolve);
  if (isFirst) giveTurns(timers, waiting);
  return promise;
}

function giveTurns(timers: Sleeper, waiting: Waiting): void {
  void timers.sleep(0).then(() => {
    const { works, tails } = waiting;
    const isTails = works.size === 0 || (tails.length > 0 && waiting.worksInARow + 1 >= turnsPerTail);
    waiting.worksInARow = isTails ? 0 : waiting.worksInARow + 1;
    const resume = isTails ? tails.shift()! : nextOf(works);
    resume();
    if (works.size + tails.length > 0) giveTurns(timers, waiting);
    else waitingByThread.delete(timers);
  });
}

function queueOf(works: Waiting['works'], tenant: string): (() => void)[] {
  let queue = works.get(tenant);
  if (!queue) works.set(tenant, (queue = []));
  return queue;
}

/** The oldest work of the tenant whose turn it is. */
function nextOf(works: Waiting['works']): () => void {
  const [[tenant, queue]] = works;
  const resume = queue.shift()!;
  works.delete(tenant);
  if (queue.length > 0) works.set(tenant, queue);
  return resume;
}
