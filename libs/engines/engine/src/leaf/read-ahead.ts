/** Reads blocks ahead of a scan: step *fetch, scan* of a query. */
import type { Candidate } from './block-candidates.ts';
import type { BlockNeed, SectionReader } from './section-reader.ts';

/** Most stored bytes that are fetched or wait for one scan. */
const aheadBytesMax = 8 << 20;
/** Most blocks that are fetched or wait for one scan: each also costs an object in memory. */
const aheadBlocksMax = 512;

/** A block and its reader: as much of a candidate as reading ahead needs. */
type Readable = Pick<Candidate, 'reader' | 'info'>;

interface ReadAheadOptions<Each> {
  readonly needOf: (candidate: Each) => BlockNeed;
  /** False: the index answers for the block. Absent: all are read. */
  readonly isRead?: (candidate: Each) => boolean;
  /**
   * Stored bytes that are read ahead at first: few where the scan may soon have enough. They double up to
   * 8 MiB. Default 8 MiB.
   */
  readonly firstBytes?: number;
}

/**
 * Reads the columns of blocks before a scan comes to them, in its order. Its bound counts bytes: one request
 * to a store 30 ms away reads small columns of hundreds of blocks, and large ones are fetched while earlier
 * ones are scanned.
 */
export class ReadAhead<Each extends Readable = Candidate> {
  readonly #candidates: readonly Each[];
  readonly #options: ReadAheadOptions<Each>;
  #aheadMax: number;
  /** The first candidate that is not requested yet. */
  #next = 0;
  /** Stored bytes of the candidates between the scan and #next; 0 for those that are not read. */
  readonly #bytes: number[] = [];
  #aheadBytes = 0;
  /** Number of candidates that the scan has passed. */
  #passed = 0;

  constructor(candidates: readonly Each[], options: ReadAheadOptions<Each>) {
    this.#candidates = candidates;
    this.#options = options;
    this.#aheadMax = Math.min(options.firstBytes ?? aheadBytesMax, aheadBytesMax);
  }

  /** Moves to the candidate `at`. Requests more once the scan has passed half of the bytes read ahead. */
  moveTo(at: number): void {
    for (; this.#passed < at; this.#passed++) this.#aheadBytes -= this.#bytes[this.#passed] ?? 0;
    if (this.#next >= this.#candidates.length) return;
    const isScarce = this.#aheadBytes * 2 <= this.#aheadMax && (this.#next - at) * 2 <= aheadBlocksMax;
    if (this.#next > at && !isScarce) return;
    if (at > 0) this.#aheadMax = Math.min(this.#aheadMax * 2, aheadBytesMax);
    const groups = new Map<SectionReader, Each[]>();
    while (this.#next < this.#candidates.length && this.#next - at < aheadBlocksMax) {
      const candidate = this.#candidates[this.#next];
      const bytes = this.#bytesOf(candidate);
      // The scan's current block is read regardless of its size.
      if (this.#next > at && this.#aheadBytes + bytes > this.#aheadMax) break;
      this.#bytes[this.#next++] = bytes;
      this.#aheadBytes += bytes;
      if (bytes === 0) continue;
      const group = groups.get(candidate.reader);
      if (group) group.push(candidate);
      else groups.set(candidate.reader, [candidate]);
    }
    for (const [reader, group] of groups) this.#prefetch(reader, group);
  }

  #bytesOf(candidate: Each): number {
    const { isRead, needOf } = this.#options;
    if (isRead && !isRead(candidate)) return 0;
    return candidate.reader.storedBytes(candidate.info, needOf(candidate));
  }

  /** Blocks with the same need are read together. */
  #prefetch(reader: SectionReader, group: readonly Each[]): void {
    const byNeed = new Map<string, { need: BlockNeed; candidates: Each[] }>();
    for (const candidate of group) {
      const need = this.#options.needOf(candidate);
      const name = `${need.mask} ${need.names?.join('\u0000') ?? '*'}`;
      const same = byNeed.get(name);
      if (same) same.candidates.push(candidate);
      else byNeed.set(name, { need, candidates: [candidate] });
    }
    for (const { need, candidates } of byNeed.values()) {
      reader.prefetch(
        candidates.map(({ info }) => info),
        need,
      );
    }
  }
}
