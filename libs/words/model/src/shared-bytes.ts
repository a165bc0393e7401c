/** A fair bound on memory that several tenants share: pushes, decoding and records use one. */

/** Most bytes that a holder may have for each free byte. A lone holder gets three quarters of all. */
const perFreeByte = 3;

/**
 * Bounds the bytes that several holders have together. The fewer bytes are free, the smaller is the share
 * that one holder may have, so there is always room for another holder: one tenant never takes everything.
 */
export class SharedBytes {
  readonly bytesMax: number;
  readonly #byHolder = new Map<string, number>();
  #bytes = 0;

  /** @param bytesMax Infinity: no bound */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The largest share of one holder. */
  static shareOf(bytesMax: number): number {
    return Math.floor((bytesMax * perFreeByte) / (perFreeByte + 1));
  }

  /** Takes bytes. False: the holder's share does not allow them now, and nothing was taken. */
  take(holder: string, bytes: number): boolean {
    const holderBytes = (this.#byHolder.get(holder) ?? 0) + bytes;
    const free = this.bytesMax - this.#bytes - bytes;
    if (holderBytes > perFreeByte * free) return false;
    this.#set(holder, holderBytes, bytes);
    return true;
  }

  /** Takes bytes regardless of the bound, for bytes that exist already. */
  force(holder: string, bytes: number): void {
    this.#set(holder, (this.#byHolder.get(holder) ?? 0) + bytes, bytes);
  }

  give(holder: string, bytes: number): void {
    this.#set(holder, (this.#byHolder.get(holder) ?? 0) - bytes, -bytes);
  }

  #set(holder: string, holderBytes: number, change: number): void {
    this.#bytes += change;
    // Clients choose the names of holders, so a holder without bytes is dropped.
    if (holderBytes > 0) this.#byHolder.set(holder, holderBytes);
    else this.#byHolder.delete(holder);
  }
}
