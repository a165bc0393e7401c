import { BoundedMap, LokiError } from '@loki/model';
import type { Labels } from '@loki/model';
import type { Logger, ObjectStore } from '@loki/ports';
import { columns, readSegment } from '@loki/segment';
import type { Block, Section, StoredSegment } from '@loki/segment';
import { markSameRows } from './same-rows.ts';
import type { RunRows } from './same-rows.ts';
import { nsAt } from './time.ts';

/** Finds committed segments: the catalog, narrowed to what the ingester asks of it. */
export interface CommittedSegments {
  /**
   * Keys of all segments that may hold rows of the tenant with startNs <= ts < endNs, committed below
   * `offset`.
   */
  keys(
    partition: number,
    offset: number,
    rows: { readonly tenant: string; readonly startNs: bigint; readonly endNs: bigint },
  ): Promise<readonly string[]>;
}

/** One run of an incoming record that may repeat committed rows. */
interface LateRun {
  readonly tenant: string;
  readonly labels: Labels;
  readonly rows: RunRows;
  /** Marks of the run's block, one byte a row. */
  readonly found: Uint8Array;
}

interface CommittedRowsOptions {
  readonly partition: number;
  readonly objectStore: ObjectStore;
  readonly committed: CommittedSegments;
  readonly logger: Logger;
}

/** Footers kept. A backfill goes through few segments at a time; each footer is some hundred KiB. */
const footersMax = 32;
/**
 * Reads of a segment, at once, before the caller is told to try again later: damage may come from the way
 * here.
 */
const damagedReadsMax = 3;
/**
 * A segment that stays damaged over so many tries is left out: a line twice harms less than a partition that
 * stands.
 */
const damagedTriesMax = 6;
/** Segments whose damage is remembered. */
const damagedMax = 1024;

const keyColumns = columns.timestamps;
const allColumns = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;

/** A run with the time it spans: [startNs, endNs). */
interface TimedRun {
  readonly run: LateRun;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/**
 * Looks for incoming rows among the committed ones.
 *
 * Cost: only runs that reach back to what has been flushed of their stream come here: late and repeated data.
 * For each, the catalog names the segments of that time; a kept footer tells whether the stream is in it,
 * then the timestamps of the stream's blocks are fetched, and their lines only when a timestamp is equal.
 */
export class CommittedRows {
  readonly #options: CommittedRowsOptions;
  readonly #footers = new BoundedMap<string, StoredSegment>(footersMax);
  /** Tries that met damage, in a row, by segment. */
  readonly #damagedTries = new BoundedMap<string, number>(damagedMax);

  constructor(options: CommittedRowsOptions) {
    this.#options = options;
  }

  /**
   * Marks rows of `run` that are committed below `offset`.
   *
   * @throws what the store throws; the caller tries again later, for skipping the look would let a line in
   *   twice
   */
  async mark(run: LateRun, offset: number, signal?: AbortSignal): Promise<number> {
    const { block, first, end } = run.rows;
    const timestamps = block.timestamps();
    const startNs = nsAt(block.info, timestamps[first]);
    const endNs = nsAt(block.info, timestamps[end - 1]) + 1n;
    const { committed, partition } = this.#options;
    const keys = await committed.keys(partition, offset, { tenant: run.tenant, startNs, endNs });
    let marked = 0;
    for (const key of keys) marked += await this.#markIn(key, { run, startNs, endNs }, signal);
    return marked;
  }

  async #markIn(key: string, timed: TimedRun, signal?: AbortSignal): Promise<number> {
    if ((this.#damagedTries.get(key) ?? 0) >= damagedTriesMax) return 0;
    for (let attempt = 1; ; attempt++) {
      try {
        const marked = await this.#mark(key, timed, signal);
        this.#damagedTries.delete(key);
        return marked;
      } catch (error) {
        if (!(error instanceof LokiError) || error.code !== 'corrupt') throw error;
        this.#footers.delete(key);
        if (attempt < damagedReadsMax) continue;
        const tries = (this.#damagedTries.get(key) ?? 0) + 1;
        this.#damagedTries.set(key, tries);
        if (tries < damagedTriesMax) {
          throw new LokiError('unavailable', `segment ${key} cannot be read whole`, { cause: error });
        }
        this.#options.logger.error('a committed segment is damaged: late lines are not compared with it', {
          key,
          err: error.message,
        });
        return 0;
      }
    }
  }

  async #mark(key: string, { run, startNs, endNs }: TimedRun, signal?: AbortSignal): Promise<number> {
    const segment = await this.#open(key, signal);
    const section = segment.section(run.tenant);
    const stream = section ? findStream(section, run.labels) : undefined;
    if (!section || stream === undefined) return 0;
    if (section.streams.maxNs(stream) < startNs || section.streams.minNs(stream) >= endNs) return 0;
    return markInSection({ segment, section, stream }, run, signal);
  }

  async #open(key: string, signal?: AbortSignal): Promise<StoredSegment> {
    const kept = this.#footers.get(key);
    if (kept) return kept;
    const segment = await readSegment(this.#options.objectStore, key, signal);
    this.#footers.set(key, segment);
    return segment;
  }
}

/** A stream of a stored segment. */
interface StoredStream {
  readonly segment: StoredSegment;
  readonly section: Section;
  readonly stream: number;
}

async function markInSection(
  { segment, section, stream }: StoredStream,
  run: LateRun,
  signal?: AbortSignal,
): Promise<number> {
  let marked = 0;
  for (const info of section.blocks) {
    for (let r = 0; r < info.runs.count; r++) {
      if (info.runs.stream[r] !== stream) continue;
      const others = { first: info.runs.firstRow[r], end: info.runs.firstRow[r + 1] };
      const times = await segment.fetchBlock(section, info.index, keyColumns, { signal });
      if (!sharesTimestamp(run.rows, { block: times, ...others })) continue;
      const block: Block = await segment.fetchBlock(section, info.index, allColumns, { signal });
      marked += markSameRows(run.rows, { block, ...others }, run.found);
    }
  }
  return marked;
}

/** Whether any timestamp is on both sides; both ascend. */
function sharesTimestamp(a: RunRows, b: RunRows): boolean {
  const delta = Number(b.block.info.baseNs - a.block.info.baseNs);
  const left = a.block.timestamps();
  const right = b.block.timestamps();
  let i = a.first;
  let j = b.first;
  while (i < a.end && j < b.end) {
    const difference = left[i] - (right[j] + delta);
    if (difference === 0) return true;
    if (difference < 0) i++;
    else j++;
  }
  return false;
}

/**
 * Index of a stream in a section, by its labels. Walks the shortest of its labels' posting lists and compares
 * whole label sets there: a list is short when any label is selective, and a stream that is not there usually
 * lacks a value.
 */
function findStream(section: Section, labels: Labels): number | undefined {
  const { labelIndex, streams } = section;
  let shortest: Uint32Array | undefined;
  for (const [name, value] of labels) {
    const at = labelIndex.values(name).indexOf(value);
    if (at < 0) return undefined;
    const postings = labelIndex.streamsWith(name, at);
    if (!shortest || postings.length < shortest.length) shortest = postings;
  }
  if (!shortest) {
    for (let i = 0; i < streams.count; i++) if (streams.labels(i).size === 0) return i;
    return undefined;
  }
  for (const index of shortest) if (streams.labels(index).equals(labels)) return index;
  return undefined;
}
