/** Bounds on the memory of queries, so that one query cannot end the process. */
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { LabelSet, SeriesState } from '@loki/ports';

/**
 * Most bytes that one query may hold in one process, regardless of the tenant's limit. No useful answer needs
 * as much; more would endanger the process.
 */
const bytesHardMax = 4 * 2 ** 30;

/** Bytes of V8's objects for one series or label set: arrays, map entries, and its key. */
const setOverheadBytes = 400;
/** Bytes of two string headers and the pair. */
const pairOverheadBytes = 80;

/**
 * The bytes that the queries of one thread hold together. When the pool is exhausted, a query with more than
 * an equal share fails at its next charge; smaller queries continue, so that one huge query does not fail the
 * others.
 */
export class MemoryPool {
  readonly bytesMax: number;
  heldBytes = 0;
  /** Open budgets. */
  openCount = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** @param bytesMax bound of this query; 0: no bound of its own */
  open(bytesMax = 0): MemoryBudget {
    this.openCount++;
    return new MemoryBudget(bytesMax, this);
  }
}

/**
 * Counts the bytes that one part of a query holds: the scan of a leaf, a merge, the root. They are high
 * estimates, because the memory of strings and maps cannot be measured.
 */
export class MemoryBudget {
  readonly #bytesMax: number;
  readonly #pool: MemoryPool | undefined;
  #heldBytes = 0;
  #isClosed = false;

  /** @param bytesMax 0 or absent: only the engine's own bound */
  constructor(bytesMax = 0, pool?: MemoryPool) {
    this.#bytesMax = memoryBytesOf({ memoryBytesMax: bytesMax });
    this.#pool = pool;
  }

  /**
   * Counts bytes; call it before the memory is allocated.
   *
   * @throws LokiError badRequest when the query holds more than it may, overloaded when all queries together
   *   do
   */
  charge(bytes: number): void {
    // Work may continue for a moment after its query has failed.
    if (this.#isClosed) return;
    const pool = this.#pool;
    this.#heldBytes += bytes;
    if (pool) pool.heldBytes += bytes;
    if (this.#heldBytes > this.#bytesMax) throw tooMuchMemory(this.#bytesMax);
    if (!pool) return;
    if (pool.heldBytes <= pool.bytesMax || this.#heldBytes <= pool.bytesMax / pool.openCount) return;
    // This query would fail even without others.
    if (this.#heldBytes > pool.bytesMax) throw tooMuchMemory(pool.bytesMax);
    throw new LokiError('overloaded', 'the queries that run now need too much memory; try again later');
  }

  release(bytes: number): void {
    if (this.#isClosed) return;
    this.#heldBytes -= bytes;
    if (this.#pool) this.#pool.heldBytes -= bytes;
  }

  /** Returns all bytes to the pool. Further charges are ignored. */
  close(): void {
    if (this.#isClosed || !this.#pool) return;
    this.#isClosed = true;
    this.#pool.openCount--;
    this.#pool.heldBytes -= this.#heldBytes;
  }
}

/** Most bytes that a leaf, or another request with a limit, may hold in one process. */
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
  // Each text counts twice: in the pairs and in the key.
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

/** Bytes of times and values. */
export function samplesBytes(count: number): number {
  return 16 * count;
}
