/** Asks search filters whether a block may contain a text: step *fetch, scan* of a query. */
import { BytesError } from '@loki/bytes';
import type { BlockFilter } from '../format/types.ts';
import { flags, metadataPlaces, searchFilterBytesMax, searchFilterKind } from './filter-build.ts';
import { addNeedlePlaces } from './filter-grams.ts';

/** A text that a line must contain, prepared for probes of filters. */
export interface Needle {
  /** Places that are marked in the filter if a line contains the text. */
  readonly places: Uint32Array;
  /** The letters s and k also match ſ and K: a filter cannot rule out lines with these. */
  readonly hasTwins: boolean;
  /** The line may contain the text with JSON escapes. */
  readonly mayBeEscaped: boolean;
}

interface NeedleOptions {
  readonly hasTwins?: boolean;
  readonly mayBeEscaped?: boolean;
}

/** The needle of a text: filters ignore case. undefined: the text is too short for filters. */
export function needleOf(text: Uint8Array, options: NeedleOptions = {}): Needle | undefined {
  const places = new Set<number>();
  addNeedlePlaces(text, places);
  if (places.size === 0) return undefined;
  const { hasTwins = false, mayBeEscaped = false } = options;
  return { places: Uint32Array.from(places), hasTwins, mayBeEscaped };
}

/** Probes the search filter of a block. A false answer is certain, a true one is not. */
export class FilterProbe {
  readonly #flags: number;
  readonly #bitmap: Uint8Array;
  readonly #mask: number;

  private constructor(bytes: Uint8Array) {
    this.#flags = bytes[0];
    this.#bitmap = bytes.subarray(1);
    this.#mask = this.#bitmap.length * 8 - 1;
  }

  /** undefined: there is no filter, or its kind is unknown to this version. */
  static of(filter: BlockFilter | undefined): FilterProbe | undefined {
    return filter?.kind === searchFilterKind ? new FilterProbe(filter.bytes) : undefined;
  }

  /** Whether a line of the block may contain the needle. */
  mayContain({ places, hasTwins, mayBeEscaped }: Needle): boolean {
    if (hasTwins && (this.#flags & flags.twins) !== 0) return true;
    if (mayBeEscaped && (this.#flags & flags.escapes) !== 0) return true;
    for (const place of places) if (!this.#has(place)) return false;
    return true;
  }

  /** Whether a row of the block may have this structured metadata. */
  mayHavePair(name: string, value: string): boolean {
    const [first, second] = metadataPlaces(name, value);
    return this.#has(first) && this.#has(second);
  }

  #has(place: number): boolean {
    const at = place & this.#mask;
    return (this.#bitmap[at >>> 3] & (1 << (at & 7))) !== 0;
  }
}

/**
 * Throws for bytes that are no valid filter.
 *
 * @throws BytesError
 */
export function checkSearchFilter(bytes: Uint8Array): void {
  const bitmapBytes = bytes.length - 1;
  const isPowerOfTwo = bitmapBytes >= 8 && (bitmapBytes & (bitmapBytes - 1)) === 0;
  if (!isPowerOfTwo || bytes.length > searchFilterBytesMax) {
    throw new BytesError(`a search filter of ${bytes.length} bytes`);
  }
  if ((bytes[0] & ~(flags.twins | flags.escapes)) !== 0) {
    throw new BytesError(`flags ${bytes[0]} of a search filter are not known`);
  }
}
