/** Cuts a data set in two, for answers from store and memory together. */
import type { TenantData, TenantPush } from './corpus.ts';

/** The same pushes, earlier and later ones: together they are the whole. */
interface Halves {
  readonly earlier: readonly TenantData[];
  readonly later: readonly TenantData[];
}

/**
 * Cuts a data set so that each half of a stream is stored as in one piece: a stream of several pushes between
 * two of them, one of a single push where its time moves on.
 */
export function halvesOf(dataset: readonly TenantData[]): Halves {
  const earlier: TenantData[] = [];
  const later: TenantData[] = [];
  for (const { tenant, pushes } of dataset) {
    const first: TenantPush[] = [];
    const second: TenantPush[] = [];
    const total = countByStream(pushes);
    const counts = new Map<string, number>();
    for (const push of pushes) {
      const stream = JSON.stringify(push.labels);
      const at = counts.get(stream) ?? 0;
      counts.set(stream, at + 1);
      const of = total.get(stream)!;
      if (of > 1) (at < of / 2 ? first : second).push(push);
      else {
        const border = borderOf(push);
        first.push({ ...push, entries: push.entries.slice(0, border) });
        if (border < push.entries.length) second.push({ ...push, entries: push.entries.slice(border) });
      }
    }
    earlier.push({ tenant, pushes: first });
    if (second.length > 0) later.push({ tenant, pushes: second });
  }
  return { earlier, later };
}

function countByStream(pushes: readonly TenantPush[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { labels } of pushes) {
    const stream = JSON.stringify(labels);
    counts.set(stream, (counts.get(stream) ?? 0) + 1);
  }
  return counts;
}

/** The first place from the middle on that separates older from newer entries; the end: no such place. */
function borderOf({ entries }: TenantPush): number {
  const times = entries.map(([offsetNs]) => BigInt(offsetNs));
  for (let border = Math.ceil(times.length / 2); border < times.length; border++) {
    const newest = times.slice(0, border).reduce((a, b) => (a > b ? a : b));
    if (times.slice(border).every((time) => time > newest)) return border;
  }
  return entries.length;
}
