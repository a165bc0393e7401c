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

/** Works that wait for their next slice, in order, by thread. A thread is identified by its timers. */
const waiting = new WeakMap<Sleeper, (() => void)[]>();

/**
 * Lets other work run. Each turn of the event loop continues one sliced work, so a request waits for one
 * slice even when many works are in progress.
 */
export function nextTurn(timers: Sleeper): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const works = waiting.get(timers);
  if (works) works.push(resolve);
  else {
    const first = [resolve];
    waiting.set(timers, first);
    giveTurns(timers, first);
  }
  return promise;
}

function giveTurns(timers: Sleeper, works: (() => void)[]): void {
  void timers.sleep(0).then(() => {
    works.shift()!();
    if (works.length > 0) giveTurns(timers, works);
    else waiting.delete(timers);
  });
}
