/** Cuts off the newest rows of a section: steps *flush* of a written line and *merge* of a stored day. */
import type { Section } from '../format/types.ts';
import { eraNs } from './block-gatherer.ts';

/**
 * Line bytes of the newest rows that get blocks of their own, the most first: one block, and eight for
 * queries of a few streams. Sorted by stream alone, the newest rows of all streams stand in as many blocks as
 * there are streams, or all blocks: a query for the newest 1,000 lines of a day of 0.25 GB would decompress
 * 47 MB. Blocks with a little of each stream take some percent more bytes.
 */
export const newestBytesDefault: readonly number[] = [8 << 20, 1 << 20];
/** No cut takes more than this part of a section: reading all blocks of a small one costs little. */
const restShares = 4;
/**
 * The cut blocks should not exceed their target: one row too much would begin another block. Of all moments
 * between these shares the roundest one is taken, so that a merge cuts where its newest input was cut: it
 * would hold each block across a cut in memory until the end.
 */
const fillMost = 0.97;
const fillLeast = 0.6;
/** Moments are found to this share of all time, a tenth of a second of a day: each step looks at all runs. */
const precisionShare = 2 ** 20;

/** Moments at which a section is cut, in ns since the start of an era: a *slice* ends at each of them. */
export interface Cuts {
  readonly era: number;
  /** Ascending. */
  readonly times: readonly number[];
}

/** Time bounds of rows, Unix ns, `endNs` exclusive. */
interface TimeBounds {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/**
 * The moments after which the newest rows of the sections are about `newestBytes`; as if the bytes of a run
 * were evenly distributed over its time. O(runs), by the index alone.
 */
export function cutNewest(
  sections: readonly Section[],
  bounds: TimeBounds | undefined,
  newestBytes: readonly number[],
): Cuts {
  const newestNs = sections.reduce((max, { maxNs }) => (maxNs > max ? maxNs : max), sections[0].maxNs);
  const lastNs = bounds && newestNs >= bounds.endNs ? bounds.endNs - 1n : newestNs;
  const era = Number(lastNs >> 53n);
  const spans = new Spans(sections, BigInt(era) * BigInt(eraNs), bounds);
  const total = spans.bytesFrom(-Infinity);
  const times: number[] = [];
  const least = newestBytes.at(-1) ?? Infinity;
  for (const bytes of newestBytes) {
    const size = Math.min(bytes, total / restShares);
    const isWorth = size >= (bytes === least ? least : least * 2);
    const time = isWorth ? spans.timeOf(size) : undefined;
    if (time !== undefined && time > (times.at(-1) ?? -Infinity)) times.push(time);
  }
  return { era, times };
}

/** The runs of sections as time and bytes. */
class Spans {
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #bytes: number[] = [];

  /** @param originNs of the times */
  constructor(sections: readonly Section[], originNs: bigint, bounds: TimeBounds | undefined) {
    const least = bounds ? Number(bounds.startNs - originNs) : -Infinity;
    const end = bounds ? Number(bounds.endNs - originNs) : Infinity;
    for (const { blocks } of sections) {
      for (const { baseNs, runs } of blocks) {
        const base = Number(baseNs - originNs);
        for (let run = 0; run < runs.count; run++) {
          const [from, to] = [base + runs.minTs[run], base + runs.maxTs[run]];
          const [fromInside, toInside] = [Math.max(from, least), Math.min(to, end - 1)];
          if (fromInside > toInside) continue;
          this.#from.push(fromInside);
          this.#to.push(toInside);
          this.#bytes.push((runs.lineBytes[run] * (toInside - fromInside + 1)) / (to - from + 1));
        }
      }
    }
  }

  /** Bytes at `time` and later. */
  bytesFrom(time: number): number {
    let bytes = 0;
    for (let i = 0; i < this.#bytes.length; i++) {
      const [from, to] = [this.#from[i], this.#to[i]];
      if (from >= time) bytes += this.#bytes[i];
      else if (to >= time) bytes += (this.#bytes[i] * (to - time + 1)) / (to - from + 1);
    }
    return bytes;
  }

  /** A moment with at most `bytes` from there on, or nearly as many; undefined: with none at all. */
  timeOf(bytes: number): number | undefined {
    const earliest = this.#firstWithAtMost(bytes * fillMost);
    const latest = Math.max(earliest, this.#firstWithAtMost(bytes * fillLeast));
    return this.bytesFrom(earliest) > 0 ? roundestOf(earliest, latest) : undefined;
  }

  /** The first moment with at most `bytes` from there on. */
  #firstWithAtMost(bytes: number): number {
    let [low, high] = [Infinity, -Infinity];
    for (const from of this.#from) low = Math.min(low, from);
    for (const to of this.#to) high = Math.max(high, to + 1);
    if (this.bytesFrom(low) <= bytes) return low;
    const precision = Math.max(1, (high - low) / precisionShare);
    while (high - low > precision) {
      const middle = Math.floor(low + (high - low) / 2);
      if (this.bytesFrom(middle) > bytes) low = middle;
      else high = middle;
    }
    return high;
  }
}

/** The number in [least, most] that is divisible by the largest power of two. */
function roundestOf(least: number, most: number): number {
  for (let grain = 2 ** 53; grain > 1; grain /= 2) {
    const rounded = Math.ceil(least / grain) * grain;
    if (rounded <= most) return rounded;
  }
  return least;
}
