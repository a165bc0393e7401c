/** Merges segments into one sorted segment: steps *flush* of a written line and *merge* of a stored day. */
import { zstdLevelDefault } from '@loki/bytes';
import type { ZstdEffort } from '@loki/bytes';
import { compareText, dayNs } from '@loki/model';
import type { Labels, TenantId } from '@loki/model';
import { columnLevel } from '../columns/unit.ts';
import { buildSearchFilter } from '../filter/filter-build.ts';
import { blockBytesDefault } from '../format/format-bounds.ts';
import { columns } from '../format/types.ts';
import type { Section, Segment, SegmentKind } from '../format/types.ts';
import type { StoredBlock } from '../read/block.ts';
import { openSegment } from '../read/open.ts';
import { assemble } from '../write/assemble.ts';
import type { EncodedSection, SectionSummary } from '../write/assemble.ts';
import { freeBlocks } from '../write/encode-block.ts';
import { BlockGatherer, eraNs } from './block-gatherer.ts';
import type { FilterBuilder, LineRoom } from './block-gatherer.ts';
import { areInOrder, firstAtLeast, pieceOf } from './merge-pieces.ts';
import type { MergeInput, Piece } from './merge-pieces.ts';
import { MergeSource, isEqualRow, rowKey } from './merge-source.ts';
import { PieceSorter } from './piece-sorter.ts';

export interface MergeOptions {
  readonly kind: SegmentKind;
  /** Of compression; default level 1. */
  readonly effort?: ZstdEffort;
  /** Target of line bytes per block; default 1 MiB. */
  readonly blockBytes?: number;
  /** Only these tenants; default all. */
  readonly tenants?: readonly string[];
  /** Only rows of this UTC day, counted from 1970-01-01; default all. */
  readonly day?: number;
  /** Builds each block's search filter; default `buildSearchFilter`. */
  readonly buildFilter?: FilterBuilder;
}

interface MergeResult {
  readonly bytes: Buffer;
  /** Empty when no rows remain: then there is nothing to store. */
  readonly sections: readonly SectionSummary[];
  readonly rowCount: number;
  /** Rows that were dropped because an equal row (stream, timestamp, line, metadata) exists. */
  readonly duplicateRows: number;
}

const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;
const eraNsBig = BigInt(eraNs);
/** Larger groups of equal timestamps are compared by a set of texts; comparing pairs would cost n². */
const pairwiseTiesMax = 8;

/**
 * Merges segments into one, sorted by tenant, era (104 days, so nearly always one), stream (in the order of
 * label texts, so that similar streams are neighbours) and time. Equal timestamps stay in the order of the
 * inputs, which are given oldest first. Exact duplicates are dropped.
 *
 * Memory: blocks of the inputs are decoded at first use and released after their last row. A sorted input has
 * one block in memory, a record all of its rows. CPU: figures in segment.bench.ts.
 *
 * @throws LokiError `corrupt` that names the damaged input
 */
export function mergeSegments(inputs: readonly MergeInput[], options: MergeOptions): MergeResult {
  const { kind, tenants, effort = zstdLevelDefault } = options;
  const segments = inputs.map((input) =>
    'sections' in input ? input : openSegment(input.bytes, input.name),
  );
  const byTenant = new Map<TenantId, [Segment, Section][]>();
  for (const segment of segments) {
    for (const section of segment.sections) {
      if (tenants && !tenants.includes(section.tenant)) continue;
      const group = byTenant.get(section.tenant);
      if (group) group.push([segment, section]);
      else byTenant.set(section.tenant, [[segment, section]]);
    }
  }
  const encoded: EncodedSection[] = [];
  // Of all tenants: a buffer for each would have the garbage collector run for each.
  const room: LineRoom = { bytes: Buffer.alloc(0) };
  const sorter = new PieceSorter();
  let duplicateRows = 0;
  for (const tenant of [...byTenant.keys()].sort(compareText)) {
    const { blockBytes = blockBytesDefault, buildFilter = buildSearchFilter } = options;
    const gatherer = new BlockGatherer({ room, blockBytes, effort, buildFilter });
    const merge = new TenantMerge(byTenant.get(tenant)!, options.day, sorter);
    const streams = merge.run(gatherer);
    duplicateRows += merge.duplicateRows;
    if (gatherer.blocks.length > 0) encoded.push({ tenant, streams, blocks: gatherer.blocks });
  }
  const { bytes, sections } = assemble(encoded, kind, columnLevel(effort));
  for (const { blocks } of encoded) freeBlocks(blocks);
  const rowCount = sections.reduce((sum, section) => sum + section.rowCount, 0);
  return { bytes, sections, rowCount, duplicateRows };
}

class TenantMerge {
  duplicateRows = 0;
  readonly #labels: Labels[] = [];
  readonly #streamOf = new Map<string, number>();
  /** In the order of the inputs. */
  readonly #pieces: Piece[] = [];
  readonly #sorter: PieceSorter;

  constructor(inputs: readonly [Segment, Section][], day: number | undefined, sorter: PieceSorter) {
    this.#sorter = sorter;
    const firstNs = day === undefined ? undefined : BigInt(day) * dayNs;
    for (const [segment, section] of inputs) {
      if (firstNs !== undefined && (section.maxNs < firstNs || section.minNs >= firstNs + dayNs)) continue;
      this.#addSection(segment, section, firstNs);
    }
  }

  /**
   * Merges into the gatherer, era by era and stream by stream. Returns the streams in the order of the runs'
   * stream numbers.
   */
  run(gatherer: BlockGatherer): { names: readonly string[]; values: readonly string[] }[] {
    const texts = this.#labels.map((labels) => labels.toString());
    const isUsed = new Uint8Array(texts.length);
    const byEra = new Map<number, Piece[]>();
    for (const piece of this.#pieces) {
      isUsed[piece.stream] = 1;
      const group = byEra.get(piece.era);
      if (group) group.push(piece);
      else byEra.set(piece.era, [piece]);
    }
    const order = texts.map((_, stream) => stream).filter((stream) => isUsed[stream] === 1);
    order.sort((a, b) => compareText(texts[a], texts[b]));
    const rankOf = new Uint32Array(texts.length);
    order.forEach((stream, rank) => (rankOf[stream] = rank));
    for (const era of [...byEra.keys()].sort((a, b) => a - b)) {
      gatherer.beginEra(era);
      // Stable: pieces of a stream stay in the order of the inputs.
      const pieces = byEra.get(era)!.sort((a, b) => rankOf[a.stream] - rankOf[b.stream]);
      for (let from = 0, to = 0; from < pieces.length; from = to) {
        const { stream } = pieces[from];
        while (to < pieces.length && pieces[to].stream === stream) to++;
        this.#mergePieces(rankOf[stream], pieces.slice(from, to), gatherer);
      }
    }
    gatherer.flush();
    return order.map((stream) => ({
      names: this.#labels[stream].names,
      values: this.#labels[stream].values,
    }));
  }

  #addSection(segment: Segment, section: Section, firstNs: bigint | undefined): void {
    const streams = new Int32Array(section.streams.count).fill(-1);
    for (const info of section.blocks) {
      const { runs, rowCount, baseNs } = info;
      const source = new MergeSource(rowCount, () => segment.block(section, info.index, all) as StoredBlock);
      let era = Number(baseNs / eraNsBig);
      if (BigInt(era) * eraNsBig > baseNs) era--;
      const shift = Number(baseNs - BigInt(era) * eraNsBig);
      const isWhole =
        firstNs === undefined || (baseNs >= firstNs && baseNs + BigInt(info.maxTs) < firstNs + dayNs);
      const isSimple = isWhole && shift + info.maxTs < eraNs;
      for (let run = 0; run < runs.count; run++) {
        const local = runs.stream[run];
        if (streams[local] < 0) streams[local] = this.#streamIndex(section.streams.labels(local));
        const range = {
          source,
          stream: streams[local],
          from: runs.firstRow[run],
          to: runs.firstRow[run + 1],
        };
        if (isSimple) this.#pieces.push({ ...range, era, shift });
        else this.#addSplit(range, era, shift, firstNs === undefined ? undefined : firstNs - baseNs);
      }
    }
  }

  /** Adds a run, cut at borders of eras and of the day. */
  #addSplit(
    range: Pick<Piece, 'source' | 'stream' | 'from' | 'to'>,
    firstEra: number,
    firstShift: number,
    dayStart: bigint | undefined,
  ): void {
    const { source } = range;
    const times = source.block.timestamps();
    let { from, to } = range;
    if (dayStart !== undefined) {
      from = firstAtLeast(times, from, to, Number(dayStart));
      to = firstAtLeast(times, from, to, Number(dayStart + dayNs));
      source.release(range.to - range.from - (to - from));
    }
    for (let era = firstEra, shift = firstShift; from < to; era++, shift -= eraNs) {
      const end = firstAtLeast(times, from, to, eraNs - shift);
      if (end > from) this.#pieces.push({ ...range, from, to: end, era, shift });
      from = end;
    }
  }

  #streamIndex(labels: Labels): number {
    const text = labels.toString();
    let index = this.#streamOf.get(text);
    if (index === undefined) {
      index = this.#labels.push(labels) - 1;
      this.#streamOf.set(text, index);
    }
    return index;
  }

  /** Pieces of one stream and one era, oldest input first. */
  #mergePieces(rank: number, pieces: readonly Piece[], gatherer: BlockGatherer): void {
    if (areInOrder(pieces)) {
      for (const piece of pieces) gatherer.add(rank, piece);
      return;
    }
    const starts: number[] = [];
    let count = 0;
    for (const { from, to } of pieces) {
      starts.push(count);
      count += to - from;
    }
    const sorter = this.#sorter;
    sorter.reserve(count);
    pieces.forEach(({ source, from, to, shift }, i) => {
      const times = source.block.timestamps();
      let out = starts[i];
      for (let row = from; row < to; row++, out++) {
        sorter.times[out] = times[row] + shift;
        sorter.ids[out] = out;
      }
    });
    sorter.sort(count);
    const distinctCount = this.#dropDuplicates(pieces, starts, count);
    this.#emit(rank, pieces, starts, distinctCount, gatherer);
  }

  /** Removes all but the first of equal rows from the sorter's ids; returns the number that remains. */
  #dropDuplicates(pieces: readonly Piece[], starts: readonly number[], count: number): number {
    const { times, ids } = this.#sorter;
    const locate = (id: number) => {
      const at = pieceOf(starts, id);
      return { source: pieces[at].source, row: pieces[at].from + id - starts[at] };
    };
    let distinctCount = 0;
    for (let i = 0; i < count;) {
      let end = i + 1;
      while (end < count && times[end] === times[i]) end++;
      if (end === i + 1) {
        ids[distinctCount++] = ids[i++];
        continue;
      }
      const first = distinctCount;
      const rowKeys = end - i > pairwiseTiesMax ? new Set<string>() : undefined;
      for (; i < end; i++) {
        const { source, row } = locate(ids[i]);
        let isNew = true;
        if (rowKeys) {
          const key = rowKey(source, row);
          isNew = !rowKeys.has(key);
          rowKeys.add(key);
        } else {
          for (let j = first; j < distinctCount && isNew; j++) {
            const earlier = locate(ids[j]);
            isNew = !isEqualRow(source, row, earlier.source, earlier.row);
          }
        }
        if (isNew) ids[distinctCount++] = ids[i];
        else {
          this.duplicateRows++;
          source.release(1);
        }
      }
    }
    return distinctCount;
  }

  #emit(
    rank: number,
    pieces: readonly Piece[],
    starts: readonly number[],
    count: number,
    gatherer: BlockGatherer,
  ): void {
    const { ids } = this.#sorter;
    for (let i = 0; i < count;) {
      const at = pieceOf(starts, ids[i]);
      const piece = pieces[at];
      const pieceEnd = starts[at] + piece.to - piece.from;
      let end = i + 1;
      while (end < count && ids[end] === ids[end - 1] + 1 && ids[end] < pieceEnd) end++;
      const from = piece.from + ids[i] - starts[at];
      gatherer.add(rank, { ...piece, from, to: from + end - i });
      i = end;
    }
  }
}
