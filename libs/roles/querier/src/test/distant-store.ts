/** Helper of tests: a day in many flushed segments behind a store that takes its time, in virtual time. */
import { createHash } from 'node:crypto';
import { Catalog } from '@loki/catalog';
import type { SegmentRef } from '@loki/catalog';
import { Labels, parseTenantId } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { Logger, ObjectStore, Task, TaskOptions, WorkerEnv, Workers } from '@loki/ports';
import { encodeSegment, mergeSegments, RowWriter } from '@loki/segment';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { Querier } from '../querier.ts';
import { segment } from './segment.ts';

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
export const tenant = parseTenantId('acme');
const rowsPerSegment = 120;
/** Partitions that flush at about the same time. */
const partitions = 8;

export const second = 1_000_000_000n;
export const endNs = (segments: number) => second * BigInt(1 + segments * rowsPerSegment);

/** The text of a row that no other row has. */
export const needleOf = (row: number) => createHash('sha256').update(`${row}`).digest('hex');

interface Flushed {
  readonly store: MemoryObjectStore;
  readonly segments: readonly SegmentRef[];
}

const made = new Map<number, Promise<Flushed>>();

/** Segments of `partitions` partitions, which share each stretch of time; made once for all worlds. */
function flushed(count: number): Promise<Flushed> {
  let same = made.get(count);
  if (!same) made.set(count, (same = flush(count)));
  return same;
}

async function flush(count: number): Promise<Flushed> {
  const store = new MemoryObjectStore();
  const segments: SegmentRef[] = [];
  for (let at = 0; at < count; at++) {
    const writer = new RowWriter(tenant);
    writer.beginRun(Labels.fromPairs([['app', `a${at % partitions}`]]));
    const stretch = Math.floor(at / partitions);
    const rows = Array.from(
      { length: rowsPerSegment },
      (_, i) => (stretch * rowsPerSegment + i) * partitions + (at % partitions),
    );
    for (const row of rows) {
      writer.addRowText(1 + row, 0, `level=${row % 9 === 0 ? 'error' : 'info'} trace=${needleOf(row)}`);
    }
    writer.endRun();
    const record = encodeSegment(writer.finish(), { kind: 'record' });
    const { bytes } = mergeSegments([{ bytes: record }], { kind: 'flushed', blockBytes: 8_000 });
    const key = `segments/${at % partitions}/${stretch}`;
    await store.put(key, bytes);
    const [minNs, maxNs] = [second * BigInt(1 + rows[0]), second * BigInt(1 + rows.at(-1)!)];
    segments.push({ ...segment, key, minNs, maxNs, rowCount: rows.length, sizeBytes: bytes.length });
  }
  return { store, segments: segments.sort((a, b) => (a.minNs < b.minNs ? -1 : 1)) };
}

/** Threads that run four tasks each at a time, like those of a process, but without time for computing. */
class FourAtOnce implements Workers {
  readonly parallelism = 2;
  /** Names of all tasks. */
  readonly names: string[] = [];
  readonly #envs: readonly WorkerEnv[];
  readonly #running = [0, 0];
  readonly #waiting: (() => void)[][] = [[], []];

  constructor(objectStore: ObjectStore) {
    const newEnv = (): WorkerEnv => ({ objectStore, cache: new Map(), cacheBytesMax: 1 << 26 });
    this.#envs = [newEnv(), newEnv()];
  }

  async run<Input, Output>(
    task: Task<Input, Output>,
    input: Input,
    { affinity = 0 }: TaskOptions = {},
  ): Promise<Output> {
    this.names.push(task.name);
    if (this.#running[affinity] === 4) {
      await new Promise<void>((begin) => this.#waiting[affinity].push(begin));
    } else this.#running[affinity]++;
    try {
      return await task.run(input, this.#envs[affinity]);
    } finally {
      const next = this.#waiting[affinity].shift();
      if (next) next();
      else this.#running[affinity]--;
    }
  }

  async close(): Promise<void> {}
}

/** Wraps a store whose reads take their time. */
type Distance = (store: ObjectStore, process: VirtualProcess) => ObjectStore;

/** Delays each read, by its number, in milliseconds. */
export function slowReads(delayMs: (read: number) => number): Distance {
  return (store, { timers }) => {
    let reads = 0;
    const late = async <T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
      await timers.sleep(delayMs(reads++), signal);
      return ask();
    };
    return {
      getRange: (key: string, offset: number, length: number, signal?: AbortSignal) =>
        late(() => store.getRange(key, offset, length), signal),
      getTail: (key: string, length: number, signal?: AbortSignal) =>
        late(() => store.getTail(key, length), signal),
    } as unknown as ObjectStore;
  };
}

/** A querier that has read nothing yet, over that many segments. */
export async function distantWorld(count: number, distance: Distance, opensAhead = true) {
  const { store, segments } = await flushed(count);
  const scheduler = new VirtualScheduler(1);
  const process = new VirtualProcess(scheduler, 'querier');
  const catalog = new Catalog({ objectStore: store, logger, partitionCount: 1 });
  catalog.segmentsFor = () => segments;
  const counts = { requests: 0 };
  const distant = distance(store, process);
  const counted = {
    getRange: (...args: Parameters<ObjectStore['getRange']>) => (
      counts.requests++,
      distant.getRange(...args)
    ),
    getTail: (...args: Parameters<ObjectStore['getTail']>) => (counts.requests++, distant.getTail(...args)),
  } as unknown as ObjectStore;
  const workers = new FourAtOnce(counted);
  const querier = new Querier({
    ingesters: { partitions: () => [], owners: () => [] },
    catalog,
    workers,
    logger,
    reads: 'store',
    opensAhead,
  });
  /** The answer, with the virtual milliseconds that it took. */
  async function timed<T>(ask: () => Promise<T>): Promise<{ answer: T; ms: number; requests: number }> {
    const startedMs = process.clock.monotonicMs();
    counts.requests = 0;
    const answer = await scheduler.settle(ask());
    return { answer, ms: process.clock.monotonicMs() - startedMs, requests: counts.requests };
  }
  return { querier, timed, endNs: endNs(count), tasks: workers.names };
}
