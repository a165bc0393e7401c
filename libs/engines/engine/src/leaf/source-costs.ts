/** The cost of each source of a leaf, for the spans of a query's trace: step *fetch, scan* of a query. */
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type { Clock, LeafStats } from '@loki/ports';

/** The cost of the scan of one source. Times are 0 in a worker without a clock. */
export interface SourceCost {
  readonly lines: number;
  readonly lineBytes: number;
  /** Time in the store, and bytes that it returned. */
  readonly fetchMs: number;
  readonly storedBytes: number;
  /** From the beginning of the task to the first block, and from there to the last. */
  readonly startMs: number;
  readonly durationMs: number;
}

/** Measures sources that a leaf scans one after another. */
export class SourceCosts {
  readonly #clock: Pick<Clock, 'monotonicMs'> | undefined;
  readonly #beganMs: number;
  readonly #fetches: readonly LeafStats[];
  readonly #scans: (Pick<SourceCost, 'lines' | 'lineBytes' | 'startMs' | 'durationMs'> | undefined)[];
  /** End of the previous source, and the counts up to it. */
  #atMs: number;
  #lines = 0;
  #lineBytes = 0;

  /** @param beganMs the beginning of the task, by `clock` */
  constructor(sources: number, clock: Pick<Clock, 'monotonicMs'> | undefined, beganMs: number) {
    this.#clock = clock;
    this.#beganMs = beganMs;
    this.#atMs = clock?.monotonicMs() ?? 0;
    this.#fetches = Array.from({ length: sources }, emptyLeafStats);
    this.#scans = this.#fetches.map(() => undefined);
  }

  /** Statistics of the requests to the store for one source. */
  fetchesOf(source: number): LeafStats {
    return this.#fetches[source];
  }

  /** All blocks of a source are scanned; `stats` are those of the leaf so far. */
  endSource(source: number, { linesProcessed, lineBytes }: LeafStats): void {
    const nowMs = this.#clock?.monotonicMs() ?? 0;
    this.#scans[source] = {
      lines: linesProcessed - this.#lines,
      lineBytes: lineBytes - this.#lineBytes,
      startMs: this.#atMs - this.#beganMs,
      durationMs: nowMs - this.#atMs,
    };
    this.#atMs = nowMs;
    this.#lines = linesProcessed;
    this.#lineBytes = lineBytes;
  }

  /** Adds the requests of all sources to the leaf's statistics. Of a single source everything counts. */
  finish(stats: LeafStats): SourceCost[] {
    if (this.#scans.length === 1) this.endSource(0, stats);
    const idle = { lines: 0, lineBytes: 0, startMs: 0, durationMs: 0 };
    return this.#fetches.map((fetches, source) => {
      addLeafStats(stats, fetches);
      const { fetchMs, compressedBytes: storedBytes } = fetches;
      return { ...(this.#scans[source] ?? idle), fetchMs, storedBytes };
    });
  }
}
