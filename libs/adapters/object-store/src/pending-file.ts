/** Entries of the disk cache that wait to be written as one file. */
import { fileBytesOf } from './disk-cache-file.ts';
import type { NewRange } from './disk-cache-file.ts';
import type { KeyHash } from './disk-cache-index.ts';

/** Ranges that wait until they fill a file. */
export class PendingFile {
  readonly bytesMax: number;
  #ranges: NewRange[] = [];
  #bytes = 0;
  readonly #known = new Set<string>();

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  fits({ storedBytes }: NewRange): boolean {
    return fileBytesOf(this.#ranges.length + 1, this.#bytes + storedBytes) <= this.bytesMax;
  }

  add(range: NewRange): void {
    const name = nameOf(range.key, range.offset);
    if (this.#known.has(name)) return;
    this.#known.add(name);
    // Copies the bytes: the caller's may be a view of a larger buffer, or change.
    this.#ranges.push({ ...range, bytes: Uint8Array.prototype.slice.call(range.bytes) });
    this.#bytes += range.storedBytes;
  }

  take(): NewRange[] {
    const ranges = this.#ranges;
    this.#ranges = [];
    this.#bytes = 0;
    this.#known.clear();
    return ranges;
  }
}

function nameOf(key: KeyHash, offset: number): string {
  return `${key.join()} ${offset}`;
}
