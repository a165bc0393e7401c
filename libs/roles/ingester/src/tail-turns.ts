/**
 * Turns of the scans for tails: each frame is a scan of new records. Tenants take turns, a tenant has few
 * scans at once, and equal tails share one.
 */
import { BoundedMap, LokiError } from '@loki/model';
import { emptyLogResult } from '@loki/ports';
import type { Clock, LeafResult, LogLeafRequest, Timers } from '@loki/ports';
import type { HeadRecord } from './head/head-record.ts';

/**
 * Scans of one tenant side by side. A scan that waits among queries does not stop the tenant's other tails.
 */
const tenantScansMax = 2;
/** Scans side by side that wait among the scans of queries, over all tenants. */
const patientScansMax = 8;
/**
 * Time that the tails of a tenant may take from the threads for urgent tasks, which encode the records of
 * pushes: a tenth of it, and a tenth of a second at once. Further frames are scanned like parts of a query.
 */
const urgentShare = 0.1;
const urgentMsAtOnce = 100;
/** An urgent scan that takes longer is stopped, and repeated like a part of a query. */
const urgentScanMsMax = 100;
/** Tenants whose use of urgent threads is remembered. */
const tenantsMax = 1_024;

/** A scan of new records for one tail, or for all tails of one query. */
export interface FrameScan {
  readonly records: readonly HeadRecord[];
  readonly request: LogLeafRequest;
  readonly partition: number;
}

/** How a scan runs. */
export interface ScanOptions {
  readonly signal: AbortSignal;
  /** It does not wait behind scans of queries. */
  readonly isUrgent: boolean;
}

/** Unread records of a tail. */
export interface FrameSource {
  /** The query. Sources with the same object and the same unread records share a scan. */
  readonly query: { readonly tenant: string; readonly request: LogLeafRequest };
  readonly partition: number;
  /** Lines before are not for this tail. */
  readonly startNs: bigint;
  /** Unread records, oldest first. */
  readonly unread: readonly object[];
  /** Takes the records of the next frame: the oldest ones. */
  take(): FrameBatch;
}

/** Records of a frame. */
export interface FrameBatch {
  readonly records: readonly HeadRecord[];
  /** Lines that were dropped before them. */
  readonly dropped: number;
  readonly nextOffset: number;
}

/** A frame's lines. */
interface ScannedFrame {
  readonly batch: FrameBatch;
  /** Shared with equal tails: never changed. */
  readonly result: LeafResult;
}

interface Waiting {
  readonly source: FrameSource;
  readonly signal: AbortSignal;
  readonly resolve: (frame: ScannedFrame) => void;
  readonly reject: (reason: unknown) => void;
  readonly onAbort: () => void;
}

/** Tails of one tenant that wait for a scan. */
interface Turn {
  readonly tenant: string;
  readonly waiting: Waiting[];
  running: number;
}

/** Use of urgent threads by a tenant: milliseconds that it has not earned again. */
interface UrgentUse {
  ms: number;
  atMs: number;
}

interface TailTurnsDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Number of threads. */
  readonly parallelism: number;
  readonly scan: (scan: FrameScan, options: ScanOptions) => Promise<LeafResult>;
}

/** The scans for all tails of a process. A tail that waits reads more records at its turn. */
export class TailTurns {
  readonly #deps: TailTurnsDeps;
  /** In the order of their turns. */
  readonly #turns = new Map<string, Turn>();
  readonly #urgentUse = new BoundedMap<string, UrgentUse>(tenantsMax);
  #urgent = 0;
  #patient = 0;

  constructor(deps: TailTurnsDeps) {
    this.#deps = deps;
  }

  /** The next frame of a tail with unread records; rejects with the signal's reason. */
  frame(source: FrameSource, signal: AbortSignal): Promise<ScannedFrame> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const { tenant } = source.query;
      let turn = this.#turns.get(tenant);
      if (!turn) this.#turns.set(tenant, (turn = { tenant, waiting: [], running: 0 }));
      const { waiting } = turn;
      const onAbort = (): void => {
        const at = waiting.indexOf(entry);
        if (at >= 0) waiting.splice(at, 1);
        reject(signal.reason);
      };
      const entry: Waiting = { source, signal, resolve, reject, onAbort };
      waiting.push(entry);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#serve();
    });
  }

  #serve(): void {
    // A tenant without a scan goes first, then the one whose last turn is longest ago.
    const turns = [...this.#turns.values()].sort((a, b) => a.running - b.running);
    for (const turn of turns) {
      if (turn.waiting.length === 0 || turn.running >= tenantScansMax) {
        if (turn.waiting.length === 0 && turn.running === 0) this.#turns.delete(turn.tenant);
        continue;
      }
      const isUrgent = this.#isUrgent(turn.tenant);
      if (isUrgent ? this.#urgent >= this.#deps.parallelism : this.#patient >= patientScansMax) continue;
      // The tenant's next turn is after those of the others.
      this.#turns.delete(turn.tenant);
      this.#turns.set(turn.tenant, turn);
      void this.#scan(turn, isUrgent);
    }
  }

  async #scan(turn: Turn, isUrgent: boolean): Promise<void> {
    const { records, startNs, request, partition, readers } = takeEqual(turn.waiting);
    const stop = new AbortController();
    let reading = readers.length;
    const onAbort = () => {
      if (--reading === 0) stop.abort(readers[0].entry.signal.reason);
    };
    for (const { entry } of readers) entry.signal.addEventListener('abort', onAbort, { once: true });
    const scan = { records, partition, request: { ...request, startNs } };
    turn.running++;
    try {
      const isEmpty = records.length === 0;
      const urgent = isEmpty
        ? emptyLogResult()
        : isUrgent
          ? await this.#scanUrgently(turn.tenant, scan, stop.signal)
          : undefined;
      const result = urgent ?? (await this.#scanPatiently(scan, stop.signal));
      for (const { entry, batch } of readers) entry.resolve({ batch, result });
    } catch (error) {
      for (const { entry } of readers) entry.reject(error);
    } finally {
      for (const { entry } of readers) {
        entry.signal.removeEventListener('abort', onAbort);
        entry.signal.removeEventListener('abort', entry.onAbort);
      }
      turn.running--;
      this.#serve();
    }
  }

  /** @returns undefined: it takes too long for the urgent threads */
  async #scanUrgently(tenant: string, scan: FrameScan, signal: AbortSignal): Promise<LeafResult | undefined> {
    const { clock, timers } = this.#deps;
    const tooLong = new LokiError('overloaded', 'a scan for a tail takes too long to be urgent');
    const patience = new AbortController();
    const timer = timers.after(urgentScanMsMax, () => patience.abort(tooLong));
    const beganMs = clock.monotonicMs();
    this.#urgent++;
    try {
      return await this.#deps.scan(scan, {
        signal: AbortSignal.any([signal, patience.signal]),
        isUrgent: true,
      });
    } catch (error) {
      if (error !== tooLong || signal.aborted) throw error;
      return undefined;
    } finally {
      timer.cancel();
      this.#urgent--;
      const nowMs = clock.monotonicMs();
      const ms = this.#urgentMsOf(tenant, nowMs) + nowMs - beganMs;
      this.#urgentUse.set(tenant, { ms, atMs: nowMs });
    }
  }

  async #scanPatiently(scan: FrameScan, signal: AbortSignal): Promise<LeafResult> {
    this.#patient++;
    try {
      return await this.#deps.scan(scan, { signal, isUrgent: false });
    } finally {
      this.#patient--;
    }
  }

  #isUrgent(tenant: string): boolean {
    return this.#urgentMsOf(tenant, this.#deps.clock.monotonicMs()) < urgentMsAtOnce;
  }

  #urgentMsOf(tenant: string, nowMs: number): number {
    const use = this.#urgentUse.get(tenant);
    return use ? Math.max(0, use.ms - (nowMs - use.atMs) * urgentShare) : 0;
  }
}

interface Reader {
  readonly entry: Waiting;
  readonly batch: FrameBatch;
}

/** Takes the first tail out of those that wait, and all that want the same lines. */
function takeEqual(waiting: Waiting[]): FrameScan & { startNs: bigint; readers: readonly Reader[] } {
  const [{ source }] = waiting;
  const { query, partition } = source;
  const first = source.unread.at(0);
  const { length } = source.unread;
  const batch = source.take();
  const oldestNs = oldestOf(batch.records, query.tenant);
  const startNs = effectiveStart(source, oldestNs);
  const readers: Reader[] = [{ entry: waiting.shift()!, batch }];
  for (let i = 0; i < waiting.length;) {
    const other = waiting[i].source;
    const isEqual =
      other.query === query &&
      other.unread.length === length &&
      other.unread.at(0) === first &&
      effectiveStart(other, oldestNs) === startNs;
    if (!isEqual) {
      i++;
      continue;
    }
    const [entry] = waiting.splice(i, 1);
    readers.push({ entry, batch: other.take() });
  }
  return { records: batch.records, startNs, request: query.request, partition, readers };
}

const earliestNs = -(1n << 63n);

/** Tails that began at different times want the same lines of records that are younger. */
function effectiveStart({ startNs }: FrameSource, oldestNs: bigint | undefined): bigint {
  return oldestNs === undefined || oldestNs >= startNs ? earliestNs : startNs;
}

function oldestOf(records: readonly HeadRecord[], tenant: string): bigint | undefined {
  let oldestNs: bigint | undefined;
  for (const { segment } of records) {
    const minNs = segment.section(tenant)?.minNs;
    if (minNs !== undefined && (oldestNs === undefined || minNs < oldestNs)) oldestNs = minNs;
  }
  return oldestNs;
}
