import { tokenOf } from './tokens.ts';

/**
 * The `size` of `ids` that serve `key`: a few tenants share a few members, so one tenant's trouble is not everybody's.
 *
 * Each id is drawn for each key by itself (the highest hashes win), so that when ids come or go, or the size changes
 * by one, at most one member of a shard changes. The answer is in the order of `ids`.
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

/** The same for members in zones: as many of each zone as of the others, so a shard survives what its zones survive. */
export function shuffleShardByZone<T extends { readonly id: string; readonly zone: string }>(
  members: readonly T[],
  key: string,
  size: number,
): readonly T[] {
  if (size <= 0 || size >= members.length) return members;
  const zones = [...new Set(members.map((member) => member.zone))];
  const perZone = Math.ceil(size / zones.length);
  const chosen = new Set(
    zones.flatMap((zone) =>
      shuffleShard(
        members.filter((member) => member.zone === zone).map((member) => member.id),
        key,
        perZone,
      ),
    ),
  );
  return members.filter((member) => chosen.has(member.id));
}
