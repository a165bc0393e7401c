/** The labels of a row before the pipeline: those of its stream and its metadata. */
import type { LabelPair, Labels } from '@loki/model';
import type { StreamOrigin } from '@loki/ports';
import { pairBytes } from '@loki/segment';
import { extractedSuffix } from '../common/error-labels.ts';
import { sortedByName } from '../common/sorted-pairs.ts';

const noPairs: readonly LabelPair[] = [];

/** A stream of a leaf: its labels, and the rank that breaks ties between entries of equal time. */
export class BaseStream {
  readonly labels: Labels;
  readonly #index: ReadonlyMap<string, number>;
  #pairs: readonly LabelPair[] | undefined;
  #origin: StreamOrigin | undefined;
  #rank: number | undefined;

  constructor(labels: Labels) {
    this.labels = labels;
    this.#index = new Map(labels.names.map((name, i) => [name, i]));
  }

  /** The labels in the form of an answer; always the same array. */
  get pairs(): readonly LabelPair[] {
    return (this.#pairs ??= [...this.labels]);
  }

  get origin(): StreamOrigin {
    return (this.#origin ??= { hash: this.labels.hash(), text: this.labels.toString() });
  }

  /** The upper 53 bits of the hash: an order of streams that doubles hold exactly. */
  get rank(): number {
    return (this.#rank ??= Number(this.origin.hash >> 11n));
  }

  indexOf(name: string): number {
    return this.#index.get(name) ?? -1;
  }
}

/**
 * The labels of a row before the pipeline: its stream's, then its structured metadata. All rows with the same
 * stream and metadata share one object, so that derived values are computed once.
 */
export class BaseLabels {
  readonly stream: BaseStream;
  readonly names: readonly string[];
  readonly values: readonly string[];
  /** Labels before this index are the stream's; the others are metadata. */
  readonly streamCount: number;
  /** Number among the bases of one leaf, for keys of label sets. */
  readonly id: number;
  /** The leaf's result for rows with exactly these labels: index of a label set or series; -1: none yet. */
  outcome = -1;
  #metadataPairs: readonly LabelPair[] | undefined;

  /**
   * @param metadata non-empty pairs. A name that the stream has gets `_extracted`; a repeated name keeps its
   *   first value.
   */
  constructor(id: number, stream: BaseStream, metadata: readonly LabelPair[]) {
    this.id = id;
    this.stream = stream;
    this.streamCount = stream.labels.size;
    if (metadata.length === 0) {
      this.names = stream.labels.names;
      this.values = stream.labels.values;
      return;
    }
    const names = [...stream.labels.names];
    const values = [...stream.labels.values];
    for (const [name, value] of metadata) {
      const full = stream.indexOf(name) >= 0 ? name + extractedSuffix : name;
      if (names.includes(full)) continue;
      names.push(full);
      values.push(value);
    }
    this.names = names;
    this.values = values;
  }

  /** The metadata in the form of an answer; always the same array. */
  get metadataPairs(): readonly LabelPair[] {
    if (this.#metadataPairs) return this.#metadataPairs;
    const pairs: LabelPair[] = [];
    for (let i = this.streamCount; i < this.names.length; i++) pairs.push([this.names[i], this.values[i]]);
    return (this.#metadataPairs = pairs.length === 0 ? noPairs : sortedByName(pairs));
  }

  /** Bytes of the metadata in the statistics of a query. */
  get metadataBytes(): number {
    return pairBytes * (this.names.length - this.streamCount);
  }

  /** Index of `name`, or -1. */
  indexOf(name: string): number {
    const inStream = this.stream.indexOf(name);
    if (inStream >= 0) return inStream;
    for (let i = this.streamCount; i < this.names.length; i++) if (this.names[i] === name) return i;
    return -1;
  }
}
