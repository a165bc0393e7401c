/** How many of a stored segment's last bytes are read at first: step *fetch, scan* of a query. */
import { areas } from './layout.ts';
import type { RawFooter } from './layout.ts';

/**
 * Content of the first read of a segment: its footer, and columns that stand before it. Filters stand before
 * the footer, and timestamps before the filters.
 */
export type TailContent = 'index' | 'filters' | 'timestamps';

/** The tail that is read of a segment when nothing is known of others like it. */
export const tailBytesFirst = 64 << 10;
/** The tail that is read by guess at most: a large footer is worth a second request. */
const tailBytesMax = 1 << 20;
/**
 * Columns are read with the footer up to this size: 256 KiB take 13 ms at 20 MB/s, less than a second request
 * to a store 30 ms away.
 */
const columnBytesMax = 256 << 10;
/** A guess is a multiple of this: footers of neighbouring days differ a little. */
const tailBytesUnit = 16 << 10;
/** Segments of one kind that the guess follows. */
const segmentsKnown = 16;

const filterArea = areas.indexOf('filters');
const timestampArea = areas.indexOf('timestamps');

/**
 * How long the tail should be that holds the footer of a segment: as those of the last segments of its kind,
 * so that one request reads it, and little besides. The first part of a key identifies the kind.
 */
export class TailGuess {
  readonly #sizes = new Map<string, Readonly<Record<TailContent, number>>[]>();

  bytesFor(key: string, content: TailContent): number {
    const sizes = this.#sizes.get(kindOf(key));
    if (!sizes) return content === 'timestamps' ? 2 * tailBytesFirst : tailBytesFirst;
    const most = (of: TailContent): number => Math.max(...sizes.map((each) => each[of]));
    const footerBytes = Math.min(tailBytesMax, most('index'));
    const bytes = most(content);
    const areColumnsSmall = bytes - footerBytes <= columnBytesMax;
    return Math.ceil((areColumnsSmall ? bytes : footerBytes) / tailBytesUnit) * tailBytesUnit;
  }

  learn(key: string, footer: RawFooter): void {
    const [filters, timestamps] = [bytesOf(footer, filterArea), bytesOf(footer, timestampArea)];
    const index = footer.footerBytes;
    const size = { index, filters: index + filters, timestamps: index + filters + timestamps };
    const sizes = this.#sizes.get(kindOf(key)) ?? [];
    this.#sizes.set(kindOf(key), [...sizes.slice(1 - segmentsKnown), size]);
  }
}

function bytesOf({ entries }: RawFooter, area: number): number {
  let bytes = 0;
  for (const { areaBytes } of entries) bytes += areaBytes[area];
  return bytes;
}

function kindOf(key: string): string {
  return key.slice(0, key.indexOf('/') + 1);
}
