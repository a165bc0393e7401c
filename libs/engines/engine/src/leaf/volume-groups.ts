/** Groups streams for volumes: by stream, by labels or by label name. */
import type { LabelPair } from '@loki/model';
import type { StreamGrouping, StreamsRequest, StreamVolume } from '@loki/ports';
import type { LabelIndex, Section } from '@loki/segment';
import { BucketGrid, bucketsOf } from '../merge/volume-buckets.ts';
import type { StreamTotal } from '../merge/volume-buckets.ts';

/** Numbers of groups. */
export type Groups = readonly number[];

/** The volumes of groups of streams, over several sections. */
export class VolumeGroups {
  readonly #grouping: StreamGrouping | undefined;
  readonly #grid: BucketGrid;
  readonly #byKey = new Map<string, number>();
  readonly #groups: {
    readonly labels: readonly LabelPair[];
    readonly total: StreamTotal;
    isThere: boolean;
  }[] = [];

  constructor(request: StreamsRequest) {
    this.#grouping = request.group;
    this.#grid = new BucketGrid(request);
  }

  /** Returns a function from a stream of the section to its groups. */
  of(section: Section): (stream: number) => Groups {
    const index = section.labelIndex;
    if (this.#grouping?.by === 'labels') return this.#byLabels(index, this.#grouping.names!);
    if (this.#grouping?.by === 'name') return this.#byName(index, this.#grouping.names);
    return (stream) => {
      const labels = section.streams.labels(stream);
      return [this.#group(labels.toString(), () => [...labels])];
    };
  }

  /** The groups of a stream that is new and forms a group of its own. */
  single(section: Section, stream: number): Groups {
    return [this.#add([...section.streams.labels(stream)])];
  }

  /** Whether each stream is a group of its own. */
  get areStreams(): boolean {
    return this.#grouping === undefined;
  }

  add(groups: Groups, unit: Parameters<BucketGrid['add']>[0]): void {
    for (const at of groups) {
      const group = this.#groups[at];
      if (this.#grid.add(unit, group.total)) group.isThere = true;
    }
  }

  list(): StreamVolume[] {
    return this.#groups
      .filter(({ isThere }) => isThere)
      .map(({ labels, total: { entries, lineBytes, bytes } }) => ({
        labels,
        entries,
        lineBytes,
        volume: bucketsOf(bytes),
      }));
  }

  #byLabels(index: LabelIndex, names: readonly string[]): (stream: number) => Groups {
    const columns = index.names
      .filter((name) => names.includes(name))
      .map((name) => ({ name, codes: index.codes(name), values: index.values(name) }));
    const cache = new Map<number | string, Groups>();
    return (stream) => {
      const key =
        columns.length === 1 ? columns[0].codes[stream] : columns.map(({ codes }) => codes[stream]).join();
      let groups = cache.get(key);
      if (!groups) {
        const labels = columns.flatMap(({ name, codes, values }): LabelPair[] =>
          codes[stream] === 0 ? [] : [[name, values[codes[stream] - 1]]],
        );
        groups = [this.#group(labels.flat().join('\0'), () => labels)];
        cache.set(key, groups);
      }
      return groups;
    };
  }

  #byName(index: LabelIndex, names: readonly string[] | undefined): (stream: number) => Groups {
    const { starts, column } = index.cells();
    const ofColumn = index.names.map((name) =>
      (names?.includes(name) ?? true) ? this.#group(name, () => [[name, '']]) : -1,
    );
    // Most streams have the same label names as others.
    const cache = new Map<string, Groups>();
    return (stream) => {
      const columns = column.subarray(starts[stream], starts[stream + 1]);
      const key = columns.join();
      let groups = cache.get(key);
      if (!groups) {
        groups = Array.from(columns, (at) => ofColumn[at]).filter((at) => at >= 0);
        cache.set(key, groups);
      }
      return groups;
    };
  }

  #group(key: string, labels: () => readonly LabelPair[]): number {
    let group = this.#byKey.get(key);
    if (group === undefined) this.#byKey.set(key, (group = this.#add(labels())));
    return group;
  }

  #add(labels: readonly LabelPair[]): number {
    const total = { entries: 0, lineBytes: 0, bytes: new Map<number, number>() };
    return this.#groups.push({ labels, total, isThere: false }) - 1;
  }
}
