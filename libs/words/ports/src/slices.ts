import type { Clock, Timers } from './time.ts';

/** Work that stands still now and then; whoever carries it on may let others have the thread meanwhile. */
export type SlicedWork<T> = Generator<undefined, T, undefined>;

/** The longest that a slice keeps the thread: others wait for several of these at most. */
const sliceMs = 10;

/** All of it in this turn. */
export function atOnce<T>(work: SlicedWork<T>): T {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

/**
 * All of it, other requests being served in between.
 *
 * @param beforePause called before others have the thread
 */
export async function inSlices<T>(
  work: SlicedWork<T>,
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  beforePause: () => void = () => undefined,
): Promise<T> {
  let beganMs = clock.monotonicMs();
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
    if (clock.monotonicMs() - beganMs < sliceMs) continue;
    beforePause();
    await timers.sleep(0);
    beganMs = clock.monotonicMs();
  }
}
