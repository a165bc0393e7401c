/** Computations that pause, so that they can share a thread: merges and roots. */
import type { CheckCancelled } from '@loki/ports';

/**
 * A computation that yields after pieces of about a millisecond at most. Between two pieces its driver may
 * let other work run, or give up.
 */
export type Work<T> = Generator<undefined, T, undefined>;

/**
 * Runs the computation, and lets other work run when `pause` returns a promise.
 *
 * @param pause a promise to await when the time slice is used up, else undefined
 * @param checkCancelled called at the beginning and after each pause; throws when the caller has gone
 */
export async function complete<T>(
  work: Work<T>,
  pause: () => Promise<void> | undefined,
  checkCancelled: CheckCancelled,
): Promise<T> {
  checkCancelled();
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
    const paused = pause();
    if (!paused) continue;
    await paused;
    checkCancelled();
  }
}

/** Runs the computation without a pause, for threads without other work. */
export function atOnce<T>(work: Work<T>, checkCancelled?: CheckCancelled): T {
  for (;;) {
    checkCancelled?.();
    const next = work.next();
    if (next.done) return next.value;
  }
}

/** Items between two pauses, if an item costs about a microsecond. */
export const itemsPerSlice = 256;
/** Items of one native sort. */
const runItems = 512;

/**
 * Sorts `items` stably: stretches are sorted, then merged. O(items) comparisons if they are already in order.
 */
export function* sorted<T>(items: readonly T[], compare: (a: T, b: T) => number): Work<T[]> {
  let from: T[] = [];
  for (let at = 0; at < items.length; at += runItems) {
    for (const item of items.slice(at, at + runItems).sort(compare)) from.push(item);
    yield;
  }
  for (let width = runItems; width < items.length; width *= 2) {
    const to: T[] = [];
    for (let start = 0; start < from.length; start += 2 * width) {
      const middle = Math.min(start + width, from.length);
      const end = Math.min(middle + width, from.length);
      const isInOrder = middle === end || compare(from[middle - 1], from[middle]) <= 0;
      let a = start;
      let b = middle;
      while (to.length < end) {
        const isFirst = a < middle && (isInOrder || b >= end || compare(from[a], from[b]) <= 0);
        to.push(isFirst ? from[a++] : from[b++]);
        if (to.length % runItems === 0) yield;
      }
    }
    from = to;
  }
  return from;
}
