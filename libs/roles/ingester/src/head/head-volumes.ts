/** Exact entries and bytes of a stream in a time range of a head. */
import { BoundedMap, usOf } from '@loki/model';
import { columns } from '@loki/segment';
import type { BlockInfo } from '@loki/segment';
import { nsAt } from '../common/time.ts';
import type { HeadRecord } from './head-record.ts';
import type { Head } from './head.ts';
import type { HeadSelection } from './select.ts';

/** Blocks that stay decoded during one request. */
const edgesMax = 128;

interface Volume {
  entries: number;
  lineBytes: number;
}

/**
 * Reads the volumes of one request. Runs inside the range count by the index alone; the few runs across its
 * ends have their timestamps and lengths decoded.
 */
export class HeadVolumes {
  readonly #head: Head;
  readonly #selection: HeadSelection;
  readonly #startUs: number;
  readonly #endUs: number;
  /** At the ends of the range, streams alternate between few blocks. */
  readonly #edges = new BoundedMap<string, Edge>(edgesMax);

  constructor(head: Head, selection: HeadSelection) {
    this.#head = head;
    this.#selection = selection;
    this.#startUs = usOf(selection.startNs);
    this.#endUs = usOf(selection.endNs);
  }

  of(stream: number): Volume {
    const { runs } = this.#head;
    const volume: Volume = { entries: 0, lineBytes: 0 };
    for (let run = this.#next(this.#head.newestRun(stream)); run >= 0; run = this.#next(runs.previous(run))) {
      if (this.#isInside(run)) {
        volume.entries += runs.entries(run);
        volume.lineBytes += runs.lineBytes(run);
      } else this.#addRows(run, volume);
    }
    return volume;
  }

  /** Whether the stream has an entry in the range. */
  isAny(stream: number): boolean {
    const { runs } = this.#head;
    const volume: Volume = { entries: 0, lineBytes: 0 };
    for (let run = this.#next(this.#head.newestRun(stream)); run >= 0; run = this.#next(runs.previous(run))) {
      if (this.#isInside(run)) return true;
      this.#addRows(run, volume);
      if (volume.entries > 0) return true;
    }
    return false;
  }

  /** The newest run from `run` back that reaches into the range; -1: none. */
  #next(run: number): number {
    const { runs } = this.#head;
    for (let at = run; at >= 0 && runs.newestUs(at) >= this.#startUs; at = runs.previous(at)) {
      if (runs.maxUs(at) >= this.#startUs && runs.minUs(at) <= this.#endUs) return at;
    }
    return -1;
  }

  /** Exact to the microsecond: at the very ends rows are decoded. */
  #isInside(run: number): boolean {
    const { runs } = this.#head;
    return runs.minUs(run) > this.#startUs && runs.maxUs(run) < this.#endUs;
  }

  #addRows(run: number, volume: Volume): void {
    const { startNs, endNs } = this.#selection;
    const { record, block: at, run: inBlock } = this.#head.placeOf(run);
    const { info, timestamps, ends } = this.#edge(record, at);
    for (let row = info.runs.firstRow[inBlock]; row < info.runs.firstRow[inBlock + 1]; row++) {
      const ts = nsAt(info, timestamps[row]);
      if (ts < startNs || ts >= endNs) continue;
      volume.entries++;
      volume.lineBytes += ends[row] - (row === 0 ? 0 : ends[row - 1]);
    }
  }

  #edge(record: HeadRecord, at: number): Edge {
    const key = `${record.offset}/${at}`;
    let edge = this.#edges.get(key);
    if (!edge) {
      const { segment } = record;
      const section = segment.section(this.#selection.tenant)!;
      const info = section.blocks[at];
      const block = segment.block(section, info.index, columns.timestamps | columns.lineLengths);
      edge = { info, timestamps: block.timestamps(), ends: block.lineEnds() };
      this.#edges.set(key, edge);
    }
    return edge;
  }
}

/** A block at an end of the range. */
interface Edge {
  readonly info: BlockInfo;
  readonly timestamps: Float64Array;
  readonly ends: Uint32Array;
}
