/** Fetches numbered objects ahead of their reader: a start reads many of them. */
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';

/** Objects fetched side by side while catching up. */
const fetchesMax = 16;

/**
 * Objects that follow each other by number, from one on up to the first that is not there. They are asked for
 * by their names: numbers have no gaps, a listing of a directory reads all of it, and one of a bucket costs
 * twelve times as much as a get. One by one at first, as there
 * is mostly nothing or one new, then more and more at a time.
 *
 * @throws the failure of a get, after the objects before it
 */
export async function* objectsFrom(
  store: Pick<ObjectStore, 'get'>,
  keyOf: (number: number) => string,
  first: number,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly number: number; readonly key: string; readonly bytes: Buffer }> {
  for (let from = first, round = 0; ; round++) {
    signal?.throwIfAborted();
    // One, one, two, four …
    const count = Math.min(2 ** Math.max(0, round - 1), fetchesMax);
    const keys = Array.from({ length: count }, (_, i) => keyOf(from + i));
    const fetched = await Promise.allSettled(keys.map((key) => store.get(key, signal)));
    for (const [i, result] of fetched.entries()) {
      if (result.status === 'fulfilled') yield { number: from + i, key: keys[i], bytes: result.value };
      else if (isMissing(result.reason)) return;
      else throw result.reason;
    }
    from += count;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof LokiError && error.code === 'notFound';
}
