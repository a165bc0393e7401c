import type { CheckCancelled } from '@loki/ports';

/**
 * A computation that stands still between pieces of about a millisecond at most. Its driver may let others
 * have the thread between two pieces, or give up.
 */
export type Work<T> = Generator<undefined, T, undefined>;

/**
 * Runs all of it, and lets others have the thread when `pause` says so.
 *
 * @param pause a promise to await when the time slice is used up, else undefined
 * @param checkCancelled asked at the beginning and after each pause: whoever waited may have left
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

/** All of it without a pause, where no other work needs the thread. */
export function atOnce<T>(work: Work<T>, checkCancelled?: CheckCancelled): T {
  for (;;) {
    checkCancelled?.();
    const next = work.next();
    if (next.done) return next.value;
  }
}

/** Items between two pauses where each costs a microsecond or so. */
export const itemsPerSlice = 256;
/** Items that one native sort puts in order. */
const runItems = 512;

/**
 * `items` in order, stably: runs are sorted, then merged. O(items) comparisons where they are in order
 * already.
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
