import type { CanaryMetrics } from '@loki/telemetry';

/** The comparator's question to Loki itself when the websocket stays silent. */
type FindEntries = (fromNs: bigint, toNs: bigint) => Promise<ReadonlySet<bigint>>;

interface ComparatorOptions {
  readonly waitNs: bigint;
  readonly maxWaitNs: bigint;
}

/** Entries waited for, or remembered as received: more than this means that nothing arrives at all. */
const entriesMax = 100_000;

/**
 * Which lines were written and not received yet. A line is known by its nanosecond, which no other line of
 * the canary has.
 *
 * Received in the order of writing: all is well. Received before an older one: out of order. Received again:
 * a duplicate. Not received from the websocket within `wait`: asked for by queries, until `max-wait`, and
 * missing then.
 */
export class Comparator {
  readonly #metrics: CanaryMetrics;
  readonly #options: ComparatorOptions;
  /** Written, not received; in the order of writing. */
  readonly #waiting = new Set<bigint>();
  /** Not seen on the websocket in time. */
  readonly #late = new Set<bigint>();
  /** Received, while a second time is still likely; in the order of receiving. */
  readonly #received = new Set<bigint>();

  constructor(metrics: CanaryMetrics, options: ComparatorOptions) {
    this.#metrics = metrics;
    this.#options = options;
  }

  /** Lines that nobody has seen yet. */
  get waiting(): number {
    return this.#waiting.size + this.#late.size;
  }

  written(ns: bigint): void {
    this.#metrics.written();
    this.#waiting.add(ns);
    dropOldest(this.#waiting);
  }

  /** A line came by the websocket. */
  received(ns: bigint, nowNs: bigint): void {
    if (!this.#waiting.has(ns)) {
      // Known as late or not, it was reported already.
      if (this.#received.has(ns)) this.#metrics.duplicate();
      else this.#metrics.unexpected();
      return;
    }
    const [oldest] = this.#waiting;
    if (oldest !== ns) this.#metrics.outOfOrder();
    this.#metrics.responded(Number(nowNs - ns) / 1e9);
    this.#waiting.delete(ns);
    this.#received.add(ns);
    dropOldest(this.#received);
  }

  /** Looks at what was not received, asks for it, and gives up what has been waited for too long. */
  async prune(nowNs: bigint, find: FindEntries): Promise<void> {
    const { waitNs, maxWaitNs } = this.#options;
    const late = [...this.#waiting].filter((ns) => nowNs - ns > waitNs);
    this.#metrics.webSocketMissing(late.length);
    for (const ns of late) {
      this.#waiting.delete(ns);
      this.#late.add(ns);
    }
    dropOldest(this.#late);
    for (const ns of this.#received) if (nowNs - ns > maxWaitNs) this.#received.delete(ns);
    if (this.#late.size === 0) return;
    const all = [...this.#late].sort((a, b) => (a < b ? -1 : 1));
    // A query that fails finds nothing, and is asked again the next time.
    const found = await find(all[0], all[all.length - 1]).catch(() => new Set<bigint>());
    for (const ns of all) {
      if (found.has(ns)) {
        this.#late.delete(ns);
      } else if (nowNs - ns > maxWaitNs) {
        this.#late.delete(ns);
        this.#metrics.missing(1);
      }
    }
  }
}

function dropOldest(entries: Set<bigint>): void {
  if (entries.size <= entriesMax) return;
  const [oldest] = entries;
  entries.delete(oldest);
}
