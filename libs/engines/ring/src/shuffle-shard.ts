/** Shuffle sharding: the subset of members that work for a tenant. */
import { tokenOf } from './tokens.ts';

/**
 * The `size` members of `ids` that serve `key`: a few tenants share a few members, so that the trouble of one
 * tenant does not reach all others.
 *
 * The highest hashes of key and id win, so that at most one member of a shard changes when ids come or go, or
 * the size changes by one. The answer is in the order of `ids`.
 *
 * @param size 0, or the number of ids or more: all of them
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
