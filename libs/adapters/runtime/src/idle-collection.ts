/** Collects a thread's garbage when the thread has little to do: after every story. */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mib } from '@loki/model';

/** The measures by which idleness is judged, and the collection; tests give their own. */
interface IdleCollectionDeps {
  /** Share of the time since the last call that the thread was at work: 0 to 1. */
  readonly utilization: () => number;
  /** Bytes of the heap and of buffers, garbage included. */
  readonly heldBytes: () => number;
  /**
   * A full collection: 20 to 60 ms.
   *
   * @param givesBack as many pages as possible; V8 then forgets code that has not run lately, too
   */
  readonly collect: (givesBack: boolean) => void;
}

/** A burst of pushes pauses for less, and a collection costs 20 ms and more. */
const checkEveryMs = 5_000;
/** The first checks: a start leaves more garbage than most bursts, and no client waits yet. */
const firstChecksMs = [1_500, 1_500];
/** A thread that is at work more than this may have a client that waits. */
const idleShare = 0.05;
/** Less garbage is not worth a collection. */
const garbageBytesMin = 12 * mib;

/**
 * Collects garbage on idle threads. V8 collects when memory grows; after a burst memory stays constant, and
 * each thread would keep the burst's garbage: 70 MiB on the main thread, 50 on a worker.
 */
export class IdleCollection {
  readonly #deps: IdleCollectionDeps;
  /** Zero at first: the start leaves garbage too, 18 MiB on the main thread. */
  #heldBytesAfter = 0;
  #isFirst = true;

  constructor(deps: IdleCollectionDeps = machineDeps()) {
    this.#deps = deps;
  }

  /** Checks twice in three seconds, then every five; the timer does not keep the thread alive. */
  start(): void {
    this.#checkAfter([...firstChecksMs]);
  }

  #checkAfter(delaysMs: number[]): void {
    const check = () => {
      this.check();
      this.#checkAfter(delaysMs);
    };
    setTimeout(check, delaysMs.shift() ?? checkEveryMs).unref();
  }

  /** Collects if the thread was idle since the last check, and holds more than after the last collection. */
  check(): void {
    const isIdle = this.#deps.utilization() < idleShare;
    const heldBytes = this.#deps.heldBytes();
    // A collection of V8's own makes later garbage count from there.
    this.#heldBytesAfter = Math.min(this.#heldBytesAfter, heldBytes);
    if (!isIdle || heldBytes - this.#heldBytesAfter < garbageBytesMin) return;
    this.#collect(this.#isFirst);
  }

  /** Collects at once, and gives back as many pages as possible: for a thread that has dropped its caches. */
  collect(): void {
    this.#collect(true);
  }

  #collect(givesBack: boolean): void {
    this.#deps.collect(givesBack);
    this.#isFirst = false;
    this.#heldBytesAfter = this.#deps.heldBytes();
  }
}

/** The measures of this thread. */
export function machineDeps(): IdleCollectionDeps {
  let last = performance.eventLoopUtilization();
  let collect: Collect | undefined;
  return {
    utilization: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    heldBytes: () => {
      const { used_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
      return heapBytes + externalBytes;
    },
    collect: (givesBack) => {
      collect ??= garbageCollector();
      if (givesBack) collect({ type: 'major', flavor: 'last-resort' });
      else collect();
    },
  };
}

type Collect = (options?: { type: 'major'; flavor: 'last-resort' }) => void;

/** V8's own function; only contexts that are created after the flag is set have it. */
function garbageCollector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
