/** A tenant's section of a segment: its index in the footer, decoded at first use. */
import { ByteReader, BytesError } from '@loki/bytes';
import type { ByteWriter } from '@loki/bytes';
import type { Labels, TenantId } from '@loki/model';
import { openAnnex, openPacked, readPacked, writePacked } from '../columns/unit.ts';
import type { PackedPart } from '../columns/unit.ts';
import { decodeOrCorrupt } from '../format/corrupt.ts';
import { footerPartBytesMax, namesMax } from '../format/format-bounds.ts';
import type { LabelIndex, RawSection, Runs, Section, StreamTable } from '../format/types.ts';
import { encodeBlockTable, StoredBlockInfo } from './block-table.ts';
import type { EncodedBlock } from './block-table.ts';
import { areas } from './layout.ts';
import type { RawFooter, FooterSection } from './layout.ts';
import { decodeMetadataBytes, decodeRuns, encodeMetadataBytes, encodeRuns } from './runs.ts';
import { StreamLabels, writeStreamTable } from './stream-table.ts';

/** Writes block table, runs and streams. Each is packed separately, because readers need them separately. */
export function writeSectionIndex(
  writer: ByteWriter,
  section: {
    readonly streams: RawSection['streams'];
    readonly blocks: readonly EncodedBlock[];
    readonly minNs: bigint;
  },
  level: number,
): void {
  writePacked(writer, encodeBlockTable(section.blocks, section.minNs), level);
  writePacked(writer, encodeRuns(section.blocks), level, annexOf(section.blocks));
  writeStreamTable(writer, section.streams, level);
}

/** The metadata bytes of the runs, where they are known and there are any. */
function annexOf(blocks: readonly EncodedBlock[]): Buffer | undefined {
  const isStated = blocks.every(({ metadataBytes }) => metadataBytes);
  const isAny = blocks.some(({ metadataNames }) => metadataNames.length > 0);
  return isStated && isAny ? encodeMetadataBytes(blocks) : undefined;
}

/** A section over its encoded index; each part is decoded at first use. */
export class StoredSection implements Section {
  readonly tenant: TenantId;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
  readonly streams: StreamTable;
  /** Block table, runs and streams in the footer. */
  readonly indexBytes: number;
  /** The section's name in errors. */
  readonly place: string;
  readonly #segment: string;
  readonly #entry: FooterSection;
  readonly #areaStarts: readonly number[];
  readonly #blockTable: PackedPart;
  readonly #runTable: PackedPart;
  readonly #streamTable: Buffer;
  #blocks: readonly StoredBlockInfo[] | undefined;
  #runs: readonly Runs[] | undefined;
  #labels: StreamLabels | undefined;
  #metadataBytes: readonly Float64Array[] | null | undefined;

  /** @param at index of the section in the footer */
  constructor(footer: RawFooter, at: number, segment: string) {
    const entry = footer.entries[at];
    this.tenant = entry.tenant;
    this.minNs = entry.minNs;
    this.maxNs = entry.maxNs;
    this.rowCount = entry.rowCount;
    this.lineBytes = entry.lineBytes;
    this.indexBytes = entry.indexBytes;
    this.place = `tenant ${entry.tenant}`;
    this.streams = new SectionStreams(this, entry.streamCount);
    this.#entry = entry;
    this.#areaStarts = footer.areaStarts[at];
    this.#segment = segment;
    const reader = new ByteReader(footer.indexes[at]);
    [this.#blockTable, this.#runTable] = this.#decodeOrCorrupt('index', () => [
      readPacked(reader, footerPartBytesMax),
      readPacked(reader, footerPartBytesMax),
    ]);
    this.#streamTable = reader.bytes(reader.remaining);
  }

  get blocks(): readonly StoredBlockInfo[] {
    this.#blocks ??= this.#decodeOrCorrupt('block table', () => this.#decodeBlocks());
    return this.#blocks;
  }

  /** Runs of all blocks. */
  get runs(): readonly Runs[] {
    this.#runs ??= this.#decodeOrCorrupt('runs', () =>
      decodeRuns(openPacked(this.#runTable), this.blocks, this.#entry.streamCount),
    );
    return this.#runs;
  }

  /** Metadata bytes of the runs of all blocks; null: not stated. */
  get metadataBytes(): readonly Float64Array[] | null {
    if (this.#metadataBytes === undefined) {
      this.#metadataBytes = this.#decodeOrCorrupt('metadata bytes', () => {
        const annex = openAnnex(this.#runTable);
        return annex ? decodeMetadataBytes(annex, this.blocks) : null;
      });
    }
    return this.#metadataBytes;
  }

  get labelIndex(): LabelIndex {
    return this.streamLabels;
  }

  get streamLabels(): StreamLabels {
    this.#labels ??= this.#decodeOrCorrupt('streams', () => {
      const reader = new ByteReader(this.#streamTable);
      const labels = new StreamLabels(reader, this.#entry.streamCount, this.#segment, this.place);
      reader.expectEnd();
      return labels;
    });
    return this.#labels;
  }

  #decodeBlocks(): StoredBlockInfo[] {
    const reader = openPacked(this.#blockTable);
    const names: string[] = [];
    for (let remaining = reader.count(Math.min(namesMax, reader.remaining)); remaining > 0; remaining--) {
      names.push(reader.sizedText());
    }
    const cursor = [...this.#areaStarts];
    const owner = {
      minNs: this.minNs,
      names,
      cursor,
      runs: () => this.runs,
      metadataBytes: () => this.metadataBytes,
    };
    const blocks: StoredBlockInfo[] = [];
    let [rows, lineBytes] = [0, 0];
    let [minNs, maxNs] = [this.maxNs, this.minNs];
    while (blocks.length < this.#entry.blockCount) {
      const block = new StoredBlockInfo(blocks.length, reader, owner);
      rows += block.rowCount;
      lineBytes += block.lineBytes;
      const last = block.baseNs + BigInt(block.maxTs);
      if (block.baseNs < minNs) minNs = block.baseNs;
      if (last > maxNs) maxNs = last;
      blocks.push(block);
    }
    reader.expectEnd();
    if (
      rows !== this.rowCount ||
      lineBytes !== this.lineBytes ||
      minNs !== this.minNs ||
      maxNs !== this.maxNs
    ) {
      throw new BytesError('blocks do not add up to their section');
    }
    areas.forEach((area, i) => {
      if (cursor[i] !== this.#areaStarts[i] + this.#entry.areaBytes[i]) {
        throw new BytesError(`${area} of the blocks do not add up to their area`);
      }
    });
    return blocks;
  }

  #decodeOrCorrupt<T>(part: string, decode: () => T): T {
    return decodeOrCorrupt(this.#segment, `${this.place}: ${part}`, decode);
  }
}

/** Statistics of streams are not stored; they are sums over the runs. */
class SectionStreams implements StreamTable {
  readonly count: number;
  readonly #section: StoredSection;
  #totals: StreamTotals | undefined;

  constructor(section: StoredSection, count: number) {
    this.#section = section;
    this.count = count;
  }

  labels(index: number): Labels {
    return this.#section.streamLabels.labels(index);
  }

  minNs(index: number): bigint {
    return this.#all.minNs[index];
  }

  maxNs(index: number): bigint {
    return this.#all.maxNs[index];
  }

  entries(index: number): number {
    return this.#all.entries[index];
  }

  lineBytes(index: number): number {
    return this.#all.lineBytes[index];
  }

  get #all(): StreamTotals {
    this.#totals ??= streamTotals(this.#section, this.count);
    return this.#totals;
  }
}

interface StreamTotals {
  readonly minNs: BigInt64Array;
  readonly maxNs: BigInt64Array;
  readonly entries: Float64Array;
  readonly lineBytes: Float64Array;
}

function streamTotals(section: StoredSection, count: number): StreamTotals {
  const minNs = new BigInt64Array(count).fill(section.maxNs);
  const maxNs = new BigInt64Array(count).fill(section.minNs);
  const entries = new Float64Array(count);
  const lineBytes = new Float64Array(count);
  for (const { baseNs, runs } of section.blocks) {
    for (let run = 0; run < runs.count; run++) {
      const stream = runs.stream[run];
      const first = baseNs + BigInt(runs.minTs[run]);
      const last = baseNs + BigInt(runs.maxTs[run]);
      if (first < minNs[stream]) minNs[stream] = first;
      if (last > maxNs[stream]) maxNs[stream] = last;
      entries[stream] += runs.firstRow[run + 1] - runs.firstRow[run];
      lineBytes[stream] += runs.lineBytes[run];
    }
  }
  return { minNs, maxNs, entries, lineBytes };
}
