import { Catalog, PartitionCatalog, sectionsOf } from '@loki/catalog';
import type { HiddenRows } from '@loki/catalog';
import type { Limits } from '@loki/config';
import { leafTask } from '@loki/engine';
import { Labels, LokiError, parseTenantId } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { Clock, IngesterService, LeafRequest, ResultsCache, ResultsKind } from '@loki/ports';
import { Querier } from '@loki/querier';
import type { ResultsCaches } from '@loki/querier';
import { InlineWorkers } from '@loki/runtime';
import { encodeSegment, mergeSegments, RowWriter } from '@loki/segment';
import { QueryFrontend } from './frontend.ts';
import { limitsDefault, logger, timers } from './test-gateway.ts';

export interface StoreRow {
  readonly stream: number;
  readonly ts: bigint;
  readonly line: string;
}

export const storeTenant = parseTenantId('t');
const partitionCount = 2;

/** Labels of the streams of a test; the partition of a stream is its number modulo the partitions. */
export const streamLabels = Array.from({ length: 6 }, (_, i) =>
  Labels.fromPairs([
    ['app', `a${i % 3}`],
    ['pod', `p${i}`],
  ]),
);

/** Heads and a store with real queriers over them: what answers must not depend on. */
export class TestStore {
  readonly objectStore = new MemoryObjectStore();
  readonly catalog: Catalog;
  /** Leaves that heads were asked for. */
  readonly asked: LeafRequest[] = [];
  /** Store scans that ran. */
  scans = 0;
  readonly #writers: PartitionCatalog[];
  readonly #records: { offset: number; bytes: Buffer }[][] = [[], []];
  readonly #committed = [0, 0];

  constructor() {
    const { objectStore } = this;
    this.catalog = new Catalog({ objectStore, timers, partitionCount });
    this.#writers = [0, 1].map((partition) => new PartitionCatalog({ objectStore, partition }));
  }

  append(rows: readonly StoreRow[]): void {
    for (let partition = 0; partition < partitionCount; partition++) {
      const own = rows.filter(({ stream }) => stream % partitionCount === partition);
      if (own.length === 0) continue;
      const offset = (this.#records[partition].at(-1)?.offset ?? -1) + 1;
      this.#records[partition].push({ offset, bytes: encodeRows(own) });
    }
  }

  /** Commits what the partition's head holds. */
  async flush(partition: number): Promise<void> {
    const startOffset = this.#committed[partition];
    const held = this.#records[partition].filter(({ offset }) => offset >= startOffset);
    if (held.length === 0) return;
    const endOffset = held[held.length - 1].offset + 1;
    const { bytes } = mergeSegments(held, { kind: 'flushed' });
    const key = `segments/${partition}/${startOffset}-${endOffset}-0`;
    await this.objectStore.put(key, bytes);
    const segment = { key, sizeBytes: bytes.length, level: 0, sections: sectionsOf(bytes) };
    const content = { startOffset, endOffset, segment, writers: [], drops: [], erased: [], createdMs: 0 };
    await this.#writers[partition].commit(content);
    this.#committed[partition] = endOffset;
  }

  querier(caches?: ResultsCaches, hidden?: HiddenRows): Querier {
    const env = { objectStore: this.objectStore, cache: new Map(), cacheBytesMax: 1 << 20 };
    const workers = new InlineWorkers(env, { isCloning: true });
    const run = workers.run.bind(workers);
    workers.run = (task, input, options) => {
      this.scans++;
      return run(task, input, options);
    };
    return new Querier({
      ingesters: { partitions: () => [0, 1], owners: () => [this.#heads()] },
      catalog: this.catalog,
      workers,
      logger,
      caches,
      hidden,
    });
  }

  frontend(
    querier: Querier,
    clock: Clock,
    { limits = {}, cached }: { limits?: Partial<Limits>; cached?: ReadonlySet<ResultsKind> } = {},
  ): QueryFrontend {
    const all = { ...limitsDefault, ...limits };
    const frontend = new QueryFrontend(
      { querier, limits: { forTenant: () => all }, clock, timers, logger },
      { maxConcurrent: 4, maxOutstandingPerTenant: 1000, cached },
    );
    frontend.start();
    return frontend;
  }

  #heads(): IngesterService {
    const env = { objectStore: this.objectStore, cache: new Map(), cacheBytesMax: 1 << 20 };
    const notHere = () => {
      throw new LokiError('internal', 'not in this test');
    };
    return {
      partitions: notHere,
      tail: notHere,
      flush: notHere,
      headStreams: async (partition) =>
        Promise.resolve({ committedOffset: this.#committed[partition], result: [] }),
      queryHead: async (partition, request) => {
        this.asked.push(request);
        const committedOffset = this.#committed[partition];
        const held = this.#records[partition].filter(({ offset }) => offset >= committedOffset);
        const sources = held.map(({ bytes }) => ({ kind: 'bytes' as const, bytes }));
        return { committedOffset, result: await leafTask.run({ request, sources }, env) };
      },
    };
  }
}

/** A cache without bounds that can be looked into. */
export class TestCache implements ResultsCache {
  readonly values = new Map<string, Uint8Array>();
  hits = 0;

  async get(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const found = keys.map((key) => this.values.get(key));
    this.hits += found.filter((each) => each !== undefined).length;
    return Promise.resolve(found);
  }

  put(entries: readonly { readonly key: string; readonly value: Uint8Array }[]): void {
    for (const { key, value } of entries) this.values.set(key, value);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function encodeRows(rows: readonly StoreRow[]): Buffer {
  const writer = new RowWriter(storeTenant);
  streamLabels.forEach((labels, stream) => {
    const own = rows.filter((row) => row.stream === stream);
    if (own.length === 0) return;
    writer.beginRun(labels);
    for (const { ts, line } of own.toSorted((a, b) => Number(a.ts - b.ts)))
      writer.addRowText(Number(ts / 1_000_000_000n), Number(ts % 1_000_000_000n), line);
    writer.endRun();
  });
  return encodeSegment(writer.finish(), { kind: 'record', blockBytes: 200 });
}
