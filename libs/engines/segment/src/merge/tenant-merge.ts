/** Merges the sections of one tenant: steps *flush* of a written line and *merge* of a stored day. */
import { compareText, dayNs } from '@loki/model';
import type { Labels } from '@loki/model';
import { columns } from '../format/types.ts';
import type { Section, Segment } from '../format/types.ts';
import type { StoredBlock } from '../read/block.ts';
import { eraNs } from './block-gatherer.ts';
import type { BlockGatherer } from './block-gatherer.ts';
import { areInOrder, firstAtLeast, pieceOf } from './merge-pieces.ts';
import type { Piece } from './merge-pieces.ts';
import { MergeSource, isEqualRow, rowKey } from './merge-source.ts';
import { cutNewest } from './newest-rows.ts';
import type { Cuts } from './newest-rows.ts';
import type { PieceSorter } from './piece-sorter.ts';

const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;
const eraNsBig = BigInt(eraNs);
/** Larger groups of equal timestamps are compared by a set of texts; comparing pairs would cost n². */
const pairwiseTiesMax = 8;

/** The rows of a tenant to merge, and how. */
interface TenantMergeOptions {
  /** Only rows of this UTC day, counted from 1970-01-01; undefined: all. */
  readonly day: number | undefined;
  /** Line bytes of the newest rows that are cut off, the most first. */
  readonly newestBytes: readonly number[];
  /** Shared by the tenants of a merge. */
  readonly sorter: PieceSorter;
}

/** The merge of one tenant's sections; `run` is called once. */
export class TenantMerge {
  duplicateRows = 0;
  readonly #labels: Labels[] = [];
  readonly #streamOf = new Map<string, number>();
  /** In the order of the inputs. */
  readonly #pieces: Piece[] = [];
  readonly #sorter: PieceSorter;
  readonly #cuts: Cuts;

  constructor(inputs: readonly [Segment, Section][], options: TenantMergeOptions) {
    const { day, newestBytes, sorter } = options;
    this.#sorter = sorter;
    const startNs = day === undefined ? undefined : BigInt(day) * dayNs;
    const bounds = startNs === undefined ? undefined : { startNs, endNs: startNs + dayNs };
    const sources = bounds
      ? inputs.filter(([, { minNs, maxNs }]) => maxNs >= bounds.startNs && minNs < bounds.endNs)
      : inputs;
    const sections = sources.map(([, section]) => section);
    this.#cuts = sections.length === 0 ? { era: 0, times: [] } : cutNewest(sections, bounds, newestBytes);
    for (const [segment, section] of sources) this.#addSection(segment, section, startNs);
  }

  /**
   * Merges into the gatherer, slice by slice and stream by stream. Returns the streams in the order of the
   * runs' stream numbers.
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
      const pieces = byEra.get(era)!.sort((a, b) => a.slice - b.slice || rankOf[a.stream] - rankOf[b.stream]);
      for (let from = 0, to = 0; from < pieces.length; from = to) {
        const { stream, slice } = pieces[from];
        if (from > 0 && slice > pieces[from - 1].slice) gatherer.flush();
        while (to < pieces.length && pieces[to].stream === stream && pieces[to].slice === slice) to++;
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
      const slice = this.#sliceOf(era, shift);
      const isSimple =
        isWhole && shift + info.maxTs < eraNs && slice === this.#sliceOf(era, shift + info.maxTs);
      const dayStart = firstNs === undefined ? undefined : firstNs - baseNs;
      for (let run = 0; run < runs.count; run++) {
        const local = runs.stream[run];
        if (streams[local] < 0) streams[local] = this.#streamIndex(section.streams.labels(local));
        const range = {
          source,
          stream: streams[local],
          from: runs.firstRow[run],
          to: runs.firstRow[run + 1],
        };
        if (isSimple) this.#pieces.push({ ...range, era, shift, slice });
        else this.#addSplit(range, era, shift, dayStart);
      }
    }
  }

  /** The slice of a moment, in ns since the start of the era. */
  #sliceOf(era: number, time: number): number {
    const { times } = this.#cuts;
    let slice = 0;
    while (era === this.#cuts.era && slice < times.length && time >= times[slice]) slice++;
    return slice;
  }

  /** Adds a run, cut at borders of eras, of slices and of the day. */
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
      const eraEnd = firstAtLeast(times, from, to, eraNs - shift);
      while (from < eraEnd) {
        const slice = this.#sliceOf(era, times[from] + shift);
        const cut = era === this.#cuts.era ? this.#cuts.times.at(slice) : undefined;
        const end = cut === undefined ? eraEnd : firstAtLeast(times, from, eraEnd, cut - shift);
        this.#pieces.push({ ...range, from, to: end, era, shift, slice });
        from = end;
      }
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
