import type { Clock, Timers } from './time.ts';

/** Work that pauses now and then, so that its driver can let other work have the thread. */
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
 * Does all of the work in slices, and serves other requests in between.
 *
 * @param beforePause called before others have the thread; what it returns is awaited, too
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

/** Works that wait for their next slice, in order, for each thread: it is known by its timers. */
const waiting = new WeakMap<Sleeper, (() => void)[]>();

/**
 * Lets others have the thread. One work goes on in each turn of the event loop, whosever it is: however many
 * there are, a request waits for one slice.
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
