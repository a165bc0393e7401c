/** Virtual time: runs events in order on one thread. */
import { Prng } from './prng.ts';

// Saved before any guard replaces it: the one real macro-task of the simulator, which lets micro-tasks drain.
const realSetImmediate = setImmediate;

/** A scheduled event; cancelling it twice, or after it ran, has no effect. */
export interface EventHandle {
  cancel(): void;
}

interface Event {
  readonly timeMs: number;
  /** Drawn from the seed: events at the same time run in an order that each seed chooses. */
  readonly tie: number;
  readonly id: number;
  readonly label: string;
  callback: (() => void) | undefined;
}

/** Conditions that end `VirtualScheduler.run`. */
interface RunOptions {
  /** Stops as soon as this holds (asked after each event). */
  readonly until?: () => boolean;
  /** Stops before the first event later than this, and moves the time there. */
  readonly untilMs?: number;
  /** Throws after this many events: a loop that never settles is a finding, not a hang. */
  readonly eventsMax?: number;
}

/** Ten million events take about ten seconds; no seed needs as many. */
const eventsMaxDefault = 10_000_000;

/**
 * Virtual time on one thread. Runs one event, drains the micro-tasks that it caused, then runs the next, so a
 * run is a function of its seed. Its trace hash covers the time and label of each event, and each `note`.
 */
export class VirtualScheduler {
  readonly random: Prng;
  #nowMs = 0;
  #nextId = 0;
  #eventsRun = 0;
  #traceA = 0x811c9dc5;
  #traceB = 0x1234567;
  readonly #heap: Event[] = [];
  readonly #ties: Prng;
  #failure: { error: unknown } | undefined;
  /** Called with each trace line, if set: to find where two runs differ. */
  onTrace: ((line: string) => void) | undefined;

  constructor(seed: string | number) {
    this.random = new Prng(seed);
    this.#ties = this.random.fork('ties');
  }

  /** Virtual milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get eventsRun(): number {
    return this.#eventsRun;
  }

  get pending(): number {
    return this.#heap.length;
  }

  /** Runs `callback` once, `delayMs` from now. */
  after(delayMs: number, label: string, callback: () => void): EventHandle {
    const timeMs = this.#nowMs + Math.max(0, delayMs);
    const event: Event = { timeMs, tie: this.#ties.uint32(), id: this.#nextId++, label, callback };
    push(this.#heap, event);
    return { cancel: () => void (event.callback = undefined) };
  }

  /** Adds a fact to the trace: outcomes that two runs of one seed must share. */
  note(text: string): void {
    const line = `${this.#nowMs.toFixed(3)} ${text}`;
    for (let i = 0; i < line.length; i++) {
      this.#traceA = Math.imul(this.#traceA ^ line.charCodeAt(i), 0x01000193);
      this.#traceB = Math.imul(this.#traceB ^ line.charCodeAt(i), 0x5bd1e995) ^ (this.#traceB >>> 15);
    }
    this.onTrace?.(line);
  }

  /** 16 hex digits over all events so far. */
  traceHash(): string {
    return hex(this.#traceA) + hex(this.#traceB);
  }

  /** Ends `run` by throwing `error`: for failures that no caller awaits. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Runs events until an option stops it or the queue is empty. */
  async run(options: RunOptions = {}): Promise<void> {
    const eventsMax = options.eventsMax ?? eventsMaxDefault;
    const untilMs = options.untilMs ?? Number.POSITIVE_INFINITY;
    await drainMicrotasks();
    for (let ran = 0; !options.until?.();) {
      if (this.#failure) throw this.#failure.error;
      const event = this.#heap[0];
      if (!event || event.timeMs > untilMs) break;
      pop(this.#heap);
      const callback = event.callback;
      if (!callback) continue;
      if (++ran > eventsMax) throw new Error(`simulation did not settle within ${eventsMax} events`);
      this.#nowMs = event.timeMs;
      this.#eventsRun++;
      this.note(event.label);
      callback();
      await drainMicrotasks();
    }
    if (this.#failure) throw this.#failure.error;
    if (untilMs !== Number.POSITIVE_INFINITY && !options.until?.()) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
    }
  }

  /** Runs events until `promise` settles, and returns its value. */
  async settle<T>(promise: Promise<T>, options: Omit<RunOptions, 'until'> = {}): Promise<T> {
    let settled = false;
    const mark = () => void (settled = true);
    promise.then(mark, mark);
    await this.run({ ...options, until: () => settled });
    if (!settled) throw new Error('simulation ran out of events before the awaited work was done');
    return promise;
  }
}

/** All micro-tasks, and those that they queue, run before the next macro-task. */
function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => realSetImmediate(resolve));
}

function earlier(a: Event, b: Event): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs;
  return a.tie !== b.tie ? a.tie < b.tie : a.id < b.id;
}

function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!earlier(event, heap[parent])) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && earlier(heap[child + 1], heap[child])) child++;
    if (!earlier(heap[child], last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
