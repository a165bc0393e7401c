/**
 * Compares lines that the canary wrote with lines that it received: late, missing, duplicate, out of order.
 */
import type { CanaryMetrics } from '@loki/telemetry';

/** Queries Loki for the times of lines when the websocket did not deliver them. */
type FindEntries = (fromNs: bigint, toNs: bigint) => Promise<ReadonlySet<bigint>>;

interface ComparatorOptions {
  readonly waitNs: bigint;
  readonly maxWaitNs: bigint;
}

/** Bound on expected entries, and on stored received ones. It is reached only when no entry arrives. */
const entriesMax = 100_000;

/**
 * Lines that were written and not received yet, identified by their nanosecond, which is unique among the
 * canary's lines.
 *
 * Received in the order of writing: fine. Received before an older one: out of order. Received again: a
 * duplicate. Not received by the websocket within `wait`: queried until `max-wait`, then missing.
 */
export class Comparator {
  readonly #metrics: CanaryMetrics;
  readonly #options: ComparatorOptions;
  /** Written and not received, in the order of writing. */
  readonly #waiting = new Set<bigint>();
  /** Not received by the websocket in time. */
  readonly #late = new Set<bigint>();
  /** Received; a duplicate is still likely; in the order of receiving. */
  readonly #received = new Set<bigint>();

  constructor(metrics: CanaryMetrics, options: ComparatorOptions) {
    this.#metrics = metrics;
    this.#options = options;
  }

  /** Lines that were not received yet. */
  get waiting(): number {
    return this.#waiting.size + this.#late.size;
  }

  written(ns: bigint): void {
    this.#metrics.written();
    this.#waiting.add(ns);
    dropOldest(this.#waiting);
  }

  /** Records a line that the websocket delivered. */
  received(ns: bigint, nowNs: bigint): void {
    if (!this.#waiting.has(ns)) {
      // Late lines and lines of a gap were reported before.
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

  /** Queries overdue lines, and gives up those that are older than `max-wait`. */
  async prune(nowNs: bigint, find: FindEntries): Promise<void> {
    const { waitNs, maxWaitNs } = this.#options;
    const overdue = [...this.#waiting].filter((ns) => nowNs - ns > waitNs);
    this.#metrics.webSocketMissing(overdue.length);
    for (const ns of overdue) {
      this.#waiting.delete(ns);
      this.#late.add(ns);
    }
    dropOldest(this.#late);
    for (const ns of this.#received) if (nowNs - ns > maxWaitNs) this.#received.delete(ns);
    if (this.#late.size === 0) return;
    const all = [...this.#late].sort((a, b) => (a < b ? -1 : 1));
    // A failed query proves nothing; the lines are queried again the next time.
    const matches = await find(all[0], all[all.length - 1]).catch(() => new Set<bigint>());
    for (const ns of all) {
      if (matches.has(ns)) {
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
