/** Matches the streams of a record with the streams of a head. */
import type { SlicedWork } from '@loki/ports';
import type { Section } from '@loki/segment';
import { hash53 } from './head-streams.ts';
import type { HeadStreams, StreamKey } from './head-streams.ts';

/** Values and streams between two looks at the clock: some hundred nanoseconds each. */
const looksPerSlice = 2048;
const unknown = -1;

/** Finds the streams of a record's section in a head, by the numbers of their label values. */
export class SectionStreams {
  /** By stream of the section: its number in the head; -1: absent. */
  readonly numbers: Int32Array;
  readonly #section: Section;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  /** By cell of the section: the number of the value; -1: the head does not have it. */
  readonly #values: Int32Array;

  private constructor(section: Section) {
    const { count } = section.streams;
    this.numbers = new Int32Array(count);
    this.#section = section;
    this.#high = new Uint32Array(count);
    this.#low = new Uint32Array(count);
    this.#values = new Int32Array(section.labelIndex.cells().code.length);
  }

  /**
   * O(cells), in slices. A commit in between drops streams: their numbers are then free, or belong to a
   * stream of another tenant's record.
   */
  static *of(section: Section, streams: HeadStreams): SlicedWork<SectionStreams> {
    const result = new SectionStreams(section);
    yield* result.#find(streams);
    return result;
  }

  /** 53 bits of a stream's hash, the same in the section and in the head. */
  hash(stream: number): number {
    return hash53(this.#high[stream], this.#low[stream]);
  }

  /** Adds an absent stream to the head. */
  add(stream: number, streams: HeadStreams): number {
    const { labelIndex } = this.#section;
    const { starts, column, code } = labelIndex.cells();
    const tenant = streams.tenant(this.#section.tenant);
    const [start, end] = [starts[stream], starts[stream + 1]];
    for (let cell = start; cell < end; cell++) {
      const text = labelIndex.names[column[cell]];
      let name = tenant.names.get(text);
      if (!name) tenant.names.set(text, (name = { text, values: new Map() }));
      this.#values[cell] = streams.values.intern(name, labelIndex.values(text)[code[cell] - 1]);
    }
    return (this.numbers[stream] = streams.add(tenant, this.#key(stream)));
  }

  *#find(streams: HeadStreams): SlicedWork<void> {
    const { labelIndex, tenant: tenantName } = this.#section;
    const { names } = labelIndex;
    const { starts, column, code } = labelIndex.cells();
    const tenant = streams.tenants.get(tenantName);
    const columns: ValueColumn[] = [];
    for (const name of names) {
      columns.push(
        yield* valueColumn(name, labelIndex.values(name), tenant?.names.get(name)?.values, streams),
      );
    }
    const [tenantHigh, tenantLow] = [
      streams.values.half('high', '', tenantName),
      streams.values.half('low', '', tenantName),
    ];
    for (let stream = 0; stream < this.numbers.length; stream++) {
      let [high, low] = [tenantHigh, tenantLow];
      for (let cell = starts[stream]; cell < starts[stream + 1]; cell++) {
        const { numbers, highs, lows } = columns[column[cell]];
        const at = code[cell] - 1;
        this.#values[cell] = numbers[at];
        high = mixed(high, highs[at]);
        low = mixed(low, lows[at]);
      }
      this.#high[stream] = high;
      this.#low[stream] = low;
      this.numbers[stream] = streams.find(tenant, this.#key(stream));
      if (stream % looksPerSlice === looksPerSlice - 1) yield;
    }
  }

  #key(stream: number): StreamKey {
    const { starts } = this.#section.labelIndex.cells();
    return {
      high: this.#high[stream],
      low: this.#low[stream],
      values: this.#values,
      start: starts[stream],
      end: starts[stream + 1],
    };
  }
}

/** The values of one label of a section, by their numbers in the head. */
interface ValueColumn {
  readonly numbers: Int32Array;
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
}

function* valueColumn(
  name: string,
  texts: readonly string[],
  numberOfText: ReadonlyMap<string, number> | undefined,
  { values }: HeadStreams,
): SlicedWork<ValueColumn> {
  const numbers = new Int32Array(texts.length);
  const highs = new Uint32Array(texts.length);
  const lows = new Uint32Array(texts.length);
  for (let i = 0; i < texts.length; i++) {
    const value = numberOfText?.get(texts[i]) ?? unknown;
    numbers[i] = value;
    highs[i] = value === unknown ? values.half('high', name, texts[i]) : values.high(value);
    lows[i] = value === unknown ? values.half('low', name, texts[i]) : values.low(value);
    if (i % looksPerSlice === looksPerSlice - 1) yield;
  }
  return { numbers, highs, lows };
}

/** The halves are keyed hashes already: spreading them is enough. */
function mixed(hash: number, half: number): number {
  const product = Math.imul(hash ^ half, 0x9e37_79b1);
  return (product ^ (product >>> 15)) >>> 0;
}
