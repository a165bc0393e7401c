/** The fields of a line that may state its level, found by their bytes: step *decode* of a written line. */

/** One field name as bytes, with its rank in the tenant's list (0 is preferred). */
interface Field {
  readonly exact: Uint8Array;
  readonly folded: Uint8Array;
  readonly rank: number;
}

/**
 * The names under which a line may state its level, ready to be compared with ranges of bytes. The length is
 * compared first: it decides for almost every key.
 */
export class LevelFields {
  readonly #byLength: readonly (readonly Field[])[];
  /** For each byte 1 when some name ends in it, in either case: a cheap first test at each `=`. */
  readonly lastByte = new Uint8Array(256);

  constructor(names: readonly string[]) {
    const byLength: Field[][] = [];
    names.forEach((name, rank) => {
      const exact = Buffer.from(name);
      if (exact.length === 0) return;
      (byLength[exact.length] ??= []).push({ exact, folded: Buffer.from(name.toLowerCase()), rank });
      const last = exact[exact.length - 1];
      this.lastByte[last] = 1;
      this.lastByte[foldByte(last)] = 1;
      if (last >= 0x61 && last <= 0x7a) this.lastByte[last - 0x20] = 1;
    });
    this.#byLength = byLength;
  }

  /** Whether bytes[start .. end) spell one of the fields exactly. */
  hasExact(bytes: Uint8Array, start: number, end: number): boolean {
    const fields = this.#byLength[end - start];
    if (fields === undefined) return false;
    for (const field of fields) if (equalAt(bytes, start, field.exact)) return true;
    return false;
  }

  /**
   * Rank of the field whose name the bytes spell without regard to ASCII case, the best one of several; -1:
   * none.
   */
  rankFolded(bytes: Uint8Array, start: number, end: number): number {
    const fields = this.#byLength[end - start];
    if (fields === undefined) return -1;
    let best = -1;
    for (const field of fields) {
      if (equalFoldedAt(bytes, start, field.folded) && (best < 0 || field.rank < best)) best = field.rank;
    }
    return best;
  }
}

function equalAt(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}

function equalFoldedAt(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (foldByte(bytes[start + i]) !== name[i]) return false;
  return true;
}

function foldByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
