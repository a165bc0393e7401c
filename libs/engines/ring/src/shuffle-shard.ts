/** Shuffle sharding: the subset of members that work for a tenant. */
import { tokenOf } from './tokens.ts';

/**
 * The `size` of `ids` that serve `key`: a few tenants share a few members, so one tenant's trouble is not
 * everybody's.
 *
 * Each id is drawn for each key by itself (the highest hashes win), so that when ids come or go, or the size
 * changes by one, at most one member of a shard changes. The answer is in the order of `ids`.
 *
 * @param size 0, or as many as there are: all of them
 */
export function shuffleShard<Id extends string | number>(
  ids: readonly Id[],
  key: string,
  size: number,
): readonly Id[] {
  if (size <= 0 || size >= ids.length) return ids;
  const ranked = ids.map((id, at) => ({ id, at, rank: tokenOf(`${key}\0${id}`) }));
  ranked.sort((a, b) => b.rank - a.rank || (String(a.id) < String(b.id) ? -1 : 1));
  return ranked
    .slice(0, size)
    .sort((a, b) => a.at - b.at)
    .map(({ id }) => id);
}
