/** For each byte that stays free, a holder may have so many: alone it has three quarters of all. */
const perFreeByte = 3;

/**
 * A bound on bytes that several hold together. The more is taken, the smaller the share that one of them may
 * have, so that there is always room for another: one tenant never takes all.
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

  /** The most that one holder can have. */
  static shareOf(bytesMax: number): number {
    return Math.floor((bytesMax * perFreeByte) / (perFreeByte + 1));
  }

  /** False: that is too much now, and nothing was taken. */
  take(holder: string, bytes: number): boolean {
    const own = (this.#byHolder.get(holder) ?? 0) + bytes;
    const free = this.bytesMax - this.#bytes - bytes;
    if (own > perFreeByte * free) return false;
    this.#set(holder, own, bytes);
    return true;
  }

  /** Takes it whatever the bound: for what is there already. */
  force(holder: string, bytes: number): void {
    this.#set(holder, (this.#byHolder.get(holder) ?? 0) + bytes, bytes);
  }

  give(holder: string, bytes: number): void {
    this.#set(holder, (this.#byHolder.get(holder) ?? 0) - bytes, -bytes);
  }

  #set(holder: string, own: number, change: number): void {
    this.#bytes += change;
    // Holders are named by clients: only those that hold something are known.
    if (own > 0) this.#byHolder.set(holder, own);
    else this.#byHolder.delete(holder);
  }
}
