/** Places of cached ranges on disk, and which of them one read fetches together. */
import type { RangePlace } from './disk-cache-index.ts';

/** Neighbours in a file with a smaller gap are read together. */
const gapBytesMax = 64 << 10;
const readBytesMax = 4 << 20;

/** A requested range, and its number. */
export interface LocatedRange {
  readonly place: RangePlace;
  readonly i: number;
}

/** Groups that are read at once: neighbours in one file. */
export function inOneRead(located: readonly LocatedRange[]): LocatedRange[][] {
  const sorted = [...located].sort(
    (a, b) => a.place.slot - b.place.slot || a.place.position - b.place.position,
  );
  const groups: LocatedRange[][] = [];
  for (const each of sorted) {
    const group = groups.at(-1);
    const first = group?.[0].place;
    const last = group?.at(-1)?.place;
    const isNear =
      first?.slot === each.place.slot &&
      first.generation === each.place.generation &&
      each.place.position - (last!.position + last!.storedBytes) <= gapBytesMax &&
      each.place.position + each.place.storedBytes - first.position <= readBytesMax;
    if (isNear) group!.push(each);
    else groups.push([each]);
  }
  return groups;
}
