/** Volumes of streams in the heads of an ingester. */
import { columns } from '@loki/segment';
import type { Section } from '@loki/segment';
import { MetadataSymbols } from '../common/metadata-symbols.ts';
import type { SymbolTable } from '../common/metadata-symbols.ts';
import type { SectionReader } from './section-reader.ts';
import type { Groups, VolumeGroups } from './volume-groups.ts';

/** A record of a head with the streams of its runs. */
export interface HeadSource {
  readonly reader: SectionReader;
  /** Per stream of the section: whether it is selected. */
  readonly mask: Uint8Array;
  /** Per run of the section: the number of its stream, which is the same in all records. */
  readonly streams: Int32Array;
}

const metadataNeed = { mask: columns.metadata };

/**
 * Adds the volumes of streams in memory. All rows of a stream in the records count as one time range, which
 * is distributed over the buckets. Streams are numbers here; labels are read once for each group.
 *
 * @param startNs origin of the times
 */
export async function addHeadVolumes(
  sources: readonly HeadSource[],
  groups: VolumeGroups,
  startNs: bigint,
  checkCancelled: () => void,
): Promise<void> {
  const totals = new StreamTotals(endOf(sources));
  for (const source of sources) {
    checkCancelled();
    await addRecord(source, totals, groups, startNs);
  }
  totals.addTo(groups);
}

async function addRecord(
  { reader, mask, streams }: HeadSource,
  totals: StreamTotals,
  groups: VolumeGroups,
  startNs: bigint,
): Promise<void> {
  const { section } = reader;
  const groupsOf = groups.of(section);
  let at = 0;
  for (const info of section.blocks) {
    const { runs } = info;
    const base = Number(info.baseNs - startNs);
    for (let run = 0; run < runs.count; run++, at++) {
      const stream = runs.stream[run];
      if (mask[stream] === 0) continue;
      const number = streams[at];
      if (totals.isNew(number)) totals.begin(number, groupsFor(section, stream, groups, groupsOf));
      totals.addRun(number, {
        minTs: base + runs.minTs[run],
        maxTs: base + runs.maxTs[run],
        entries: runs.firstRow[run + 1] - runs.firstRow[run],
        lineBytes: runs.lineBytes[run],
      });
      if (info.metadataNames.length === 0) continue;
      const block = await reader.load(info, metadataNeed);
      totals.addMetadata(number, block, runs.firstRow[run], runs.firstRow[run + 1]);
    }
    reader.release(info);
  }
}

function groupsFor(
  section: Section,
  stream: number,
  groups: VolumeGroups,
  groupsOf: (stream: number) => Groups,
): Groups {
  return groups.areStreams ? groups.single(section, stream) : groupsOf(stream);
}

function endOf(sources: readonly HeadSource[]): number {
  let end = 0;
  for (const { streams } of sources) for (const number of streams) end = Math.max(end, number + 1);
  return end;
}

/** Totals of each stream, as columns by stream number. */
class StreamTotals {
  readonly #minTs: Float64Array;
  readonly #maxTs: Float64Array;
  readonly #entries: Float64Array;
  readonly #lineBytes: Float64Array;
  readonly #metadataBytes: Float64Array;
  readonly #tables: SymbolTable[] = [];
  readonly #groups: (Groups | undefined)[] = [];
  readonly #symbols = new MetadataSymbols();

  constructor(end: number) {
    this.#minTs = new Float64Array(end).fill(Infinity);
    this.#maxTs = new Float64Array(end).fill(-Infinity);
    this.#entries = new Float64Array(end);
    this.#lineBytes = new Float64Array(end);
    this.#metadataBytes = new Float64Array(end);
  }

  isNew(number: number): boolean {
    return this.#groups[number] === undefined;
  }

  begin(number: number, groups: Groups): void {
    this.#groups[number] = groups;
    this.#tables[number] = this.#symbols.empty;
  }

  addRun(
    number: number,
    run: {
      readonly minTs: number;
      readonly maxTs: number;
      readonly entries: number;
      readonly lineBytes: number;
    },
  ): void {
    this.#minTs[number] = Math.min(this.#minTs[number], run.minTs);
    this.#maxTs[number] = Math.max(this.#maxTs[number], run.maxTs);
    this.#entries[number] += run.entries;
    this.#lineBytes[number] += run.lineBytes;
  }

  addMetadata(
    number: number,
    ...rows: [block: Parameters<MetadataSymbols['with']>[1], first: number, end: number]
  ): void {
    this.#tables[number] = this.#symbols.with(this.#tables[number], ...rows);
    this.#metadataBytes[number] += this.#symbols.bytes;
  }

  addTo(groups: VolumeGroups): void {
    this.#groups.forEach((ofStream, number) => {
      if (!ofStream) return;
      groups.add(ofStream, {
        minTs: this.#minTs[number],
        maxTs: this.#maxTs[number],
        entries: this.#entries[number],
        lineBytes: this.#lineBytes[number],
        metadataBytes: this.#metadataBytes[number],
      });
    });
  }
}
