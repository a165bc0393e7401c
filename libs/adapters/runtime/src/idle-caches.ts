/** Gives back a thread's caches when nothing has read them for a while: after the last query of a burst. */

/** The timer that checks; tests give their own. */
type Every = (ms: number, check: () => void) => void;

/** Checks within the idle time: caches live for up to a fourth longer. */
const checksPerIdleTime = 4;

/**
 * A thread's caches by the name of their owner. They are dropped together once no owner has asked for its
 * cache for `idleMs`: a burst of queries leaves decoded blocks that no other query may ever read.
 *
 * Readers ask at each task, and keep what they hold until its end.
 */
export class IdleCaches extends Map<string, unknown> {
  #checksSinceUse = 0;
  readonly #onDrop: () => void;

  /**
   * @param idleMs 0: caches stay as long as the thread
   * @param onDrop called after caches were dropped, to collect them
   */
  constructor(idleMs: number, onDrop: () => void, every: Every = machineEvery) {
    super();
    this.#onDrop = onDrop;
    if (idleMs > 0) every(idleMs / checksPerIdleTime, () => this.#check());
  }

  override get(owner: string): unknown {
    this.#checksSinceUse = 0;
    return super.get(owner);
  }

  #check(): void {
    this.#checksSinceUse++;
    if (this.#checksSinceUse <= checksPerIdleTime || this.size === 0) return;
    this.clear();
    this.#onDrop();
  }
}

function machineEvery(ms: number, check: () => void): void {
  setInterval(check, ms).unref();
}
