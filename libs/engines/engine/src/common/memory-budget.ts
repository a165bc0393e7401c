import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { LabelSet, SeriesState } from '@loki/ports';

/**
 * Bytes that a query without a budget of its own may hold in one place. No answer for people needs as much;
 * beyond it the process would be at risk, whatever the tenant's limit says.
 */
const bytesHardMax = 4 * 2 ** 30;

/**
 * Engine objects around one series or label set: its arrays, maps' entries, the text that tells it from
 * others.
 */
const setOverheadBytes = 400;
/** Two string headers and the pair. */
const pairOverheadBytes = 80;

/**
 * Bytes that the queries of one thread hold together. When it is all taken, a query that has more than an
 * equal share fails at its next charge; those below it go on, so that one query of death does not take the
 * small ones with it.
 */
export class MemoryPool {
  readonly bytesMax: number;
  heldBytes = 0;
  /** Budgets that are not closed yet. */
  openCount = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** @param bytesMax of this query; 0: no limit of its own */
  open(bytesMax = 0): MemoryBudget {
    this.openCount++;
    return new MemoryBudget(bytesMax, this);
  }
}

/**
 * Bytes that one part of a query holds: the scan of a leaf, a merge, the root. Estimates, and rather too
 * high: engines keep strings and maps in ways that cannot be measured.
 */
export class MemoryBudget {
  readonly #bytesMax: number;
  readonly #pool: MemoryPool | undefined;
  #heldBytes = 0;
  #isClosed = false;

  /** @param bytesMax 0 or absent: nothing but the engine's own bound */
  constructor(bytesMax = 0, pool?: MemoryPool) {
    this.#bytesMax = memoryBytesOf({ memoryBytesMax: bytesMax });
    this.#pool = pool;
  }

  /**
   * To be called before memory is taken.
   *
   * @throws LokiError badRequest when the query holds more than it may, overloaded when all queries together
   *   do
   */
  charge(bytes: number): void {
    // Work that goes on for a moment after its query has failed.
    if (this.#isClosed) return;
    const pool = this.#pool;
    this.#heldBytes += bytes;
    if (pool) pool.heldBytes += bytes;
    if (this.#heldBytes > this.#bytesMax) throw tooMuchMemory(this.#bytesMax);
    if (!pool) return;
    if (pool.heldBytes <= pool.bytesMax || this.#heldBytes <= pool.bytesMax / pool.openCount) return;
    // Alone, it would have failed as well.
    if (this.#heldBytes > pool.bytesMax) throw tooMuchMemory(pool.bytesMax);
    throw new LokiError('overloaded', 'the queries that run now need too much memory; try again later');
  }

  release(bytes: number): void {
    if (this.#isClosed) return;
    this.#heldBytes -= bytes;
    if (this.#pool) this.#pool.heldBytes -= bytes;
  }

  /** Gives everything back to the pool. From now on nothing is counted. */
  close(): void {
    if (this.#isClosed || !this.#pool) return;
    this.#isClosed = true;
    this.#pool.openCount--;
    this.#pool.heldBytes -= this.#heldBytes;
  }
}

/** Bytes that a leaf, or any other request with a limit, may hold in one place. */
export function memoryBytesOf({ memoryBytesMax = 0 }: { readonly memoryBytesMax?: number }): number {
  return memoryBytesMax > 0 ? Math.min(memoryBytesMax, bytesHardMax) : bytesHardMax;
}

export function tooMuchMemory(bytesMax: number): LokiError {
  return new LokiError(
    'badRequest',
    `the query needs too much memory (limit: ${bytesText(bytesMax)}); consider adding more specific stream selectors, ` +
      'reducing the time range or the lines asked for, a larger step, or aggregating to fewer series',
  );
}

function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}

export function labelsBytes(labels: readonly LabelPair[]): number {
  let bytes = setOverheadBytes;
  // The text twice: in the pairs, and in the key that finds them.
  for (const [name, value] of labels) bytes += pairOverheadBytes + 2 * (name.length + value.length);
  return bytes;
}

export function labelSetBytes(set: LabelSet): number {
  return labelsBytes(set.stream) + labelsBytes(set.structuredMetadata) + labelsBytes(set.parsed);
}

/** Bytes of one series: its labels, and its columns or samples. */
export function seriesBytes({ labels, columns, samples }: SeriesState): number {
  let bytes = labelsBytes(labels);
  for (const column of columns) bytes += column.byteLength;
  if (samples) bytes += samplesBytes(samples.times.length);
  return bytes;
}

/** Times and values. */
export function samplesBytes(count: number): number {
  return 16 * count;
}
