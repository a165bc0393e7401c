/** Helpers of gateway tests: heads and a store in memory with real queriers. */
import { Catalog } from '@loki/catalog';
import type { HiddenRows } from '@loki/catalog';
import type { Limits } from '@loki/config';
import { Labels, parseTenantId } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import { PlainHeads } from '@loki/plain-heads';
import type { Clock, LeafRequest, ResultsCache, ResultsKind } from '@loki/ports';
import { Querier } from '@loki/querier';
import type { ResultsCaches } from '@loki/querier';
import { InlineWorkers } from '@loki/runtime';
import { encodeSegment, RowWriter } from '@loki/segment';
import { QueryFrontend } from '../frontend/query-frontend.ts';
import { limitsDefault, logger, random, timers } from './gateway.ts';

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

/** Heads and a store with real queriers: rows can move from one to the other between queries. */
export class TestStore {
  readonly objectStore = new MemoryObjectStore();
  readonly catalog: Catalog;
  /** Leaves that heads have answered. */
  readonly headRequests: LeafRequest[] = [];
  /** Store scans that ran. */
  scans = 0;
  readonly #heads: PlainHeads;

  constructor() {
    const { objectStore } = this;
    this.catalog = new Catalog({ objectStore, timers, partitionCount });
    this.#heads = new PlainHeads(objectStore, partitionCount);
  }

  append(rows: readonly StoreRow[]): void {
    for (let partition = 0; partition < partitionCount; partition++) {
      const partitionRows = rows.filter(({ stream }) => stream % partitionCount === partition);
      if (partitionRows.length > 0) this.#heads.append(partition, encodeRows(partitionRows));
    }
  }

  /** Commits what the partition's head holds. */
  flush(partition: number): Promise<void> {
    return this.#heads.flush(partition);
  }

  querier(caches?: ResultsCaches, hidden?: HiddenRows): Querier {
    const env = { objectStore: this.objectStore, cache: new Map(), cacheBytesMax: 1 << 20 };
    const workers = new InlineWorkers(env, { isCloning: true });
    const run = workers.run.bind(workers);
    workers.run = (task, input, options) => {
      this.scans++;
      return run(task, input, options);
    };
    const ingester = this.#heads.service((request) => this.headRequests.push(request));
    return new Querier({
      ingesters: { partitions: () => [0, 1], owners: () => [ingester] },
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
      { querier, limits: { forTenant: () => all }, clock, timers, random, logger },
      { maxConcurrent: 4, maxOutstandingPerTenant: 1000, cached },
    );
    frontend.start();
    return frontend;
  }
}

/** An unbounded cache that tests can inspect. */
export class TestCache implements ResultsCache {
  readonly values = new Map<string, Uint8Array>();
  hits = 0;

  async get(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const hits = keys.map((key) => this.values.get(key));
    this.hits += hits.filter((each) => each !== undefined).length;
    return Promise.resolve(hits);
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
    const streamRows = rows.filter((row) => row.stream === stream);
    if (streamRows.length === 0) return;
    writer.beginRun(labels);
    for (const { ts, line } of streamRows.toSorted((a, b) => Number(a.ts - b.ts))) {
      writer.addRowText(Number(ts / 1_000_000_000n), Number(ts % 1_000_000_000n), line);
    }
    writer.endRun();
  });
  return encodeSegment(writer.finish(), { kind: 'record', blockBytes: 200 });
}
