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

/** Works that wait for their next slice, in order. */
interface Waiting {
  readonly works: (() => void)[];
  /** Messages of tails: a thousand may be due at the same moment. */
  readonly tails: (() => void)[];
  /** Turns of works since the last one of a tail. */
  worksInARow: number;
}

/** While works wait, a tail gets one turn in eight: tails are slow then, and go on. */
const turnsPerTail = 8;

/** By thread: its timers identify it. */
const waitingByThread = new WeakMap<Sleeper, Waiting>();

/**
 * Lets other work run. Each turn of the event loop continues one sliced work, so a request waits for one
 * slice even when many works are in progress.
 *
 * @param rank `tail`: works of pushes and queries go first
 */
export function nextTurn(timers: Sleeper, rank: 'work' | 'tail' = 'work'): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let waiting = waitingByThread.get(timers);
  const isFirst = !waiting;
  if (!waiting) waitingByThread.set(timers, (waiting = { works: [], tails: [], worksInARow: 0 }));
  (rank === 'tail' ? waiting.tails : waiting.works).push(resolve);
  if (isFirst) giveTurns(timers, waiting);
  return promise;
}

function giveTurns(timers: Sleeper, waiting: Waiting): void {
  void timers.sleep(0).then(() => {
    const { works, tails } = waiting;
    const isTails = works.length === 0 || (tails.length > 0 && waiting.worksInARow + 1 >= turnsPerTail);
    waiting.worksInARow = isTails ? 0 : waiting.worksInARow + 1;
    (isTails ? tails : works).shift()!();
    if (works.length + tails.length > 0) giveTurns(timers, waiting);
    else waitingByThread.delete(timers);
  });
}
