/** Helper of compactor tests: heads, a faulty store, compactors and a querier on virtual time. */
import { Catalog, DeleteRequests, HiddenRows } from '@loki/catalog';
import type { LimitsSource } from '@loki/config';
import { atOnce, leafTask, unpackLeafResult } from '@loki/engine';
import { hourNs, Labels, parseTenantId } from '@loki/model';
import { PlainHeads } from '@loki/plain-heads';
import type { LeafRequest, LeafResult, Logger } from '@loki/ports';
import { Querier } from '@loki/querier';
import { encodeSegment, openSegment, RowWriter } from '@loki/segment';
import { compactorMetrics, Metrics } from '@loki/telemetry';
import {
  VirtualBucket,
  VirtualProcess,
  VirtualScheduler,
  VirtualWorkers,
  virtualEpochMs,
} from '@loki/virtual';
import type { Prng } from '@loki/virtual';
import { Compactor } from '../compactor.ts';
import { compactorDefaults } from '../deps.ts';
import type { CompactorDeps, CompactorOptions } from '../deps.ts';

export const tenants = ['a', 'b'] as const;
export const epochNs = BigInt(virtualEpochMs) * 1_000_000n;
export const partitionCount = 2;

export interface TestRow {
  readonly tenant: string;
  readonly stream: number;
  readonly ts: bigint;
  readonly line: string;
}

const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLogger };

/**
 * Partitions with heads in memory, a store with faults, compactors and a querier: answers must not depend on
 * where rows are.
 */
export class TestWorld {
  readonly scheduler: VirtualScheduler;
  readonly bucket: VirtualBucket;
  readonly random: Prng;
  readonly process: VirtualProcess;
  readonly reader: Catalog;
  readonly querier: Querier;
  readonly requests: DeleteRequests;
  readonly errors: string[] = [];
  limits = {
    retentionPeriodMs: 0,
    retentionStreams: [],
    deletionMode: 'filter-and-delete',
  } as unknown as ReturnType<LimitsSource['forTenant']>;
  readonly #heads: PlainHeads;
  #compactors = 0;

  constructor(seed: number) {
    this.scheduler = new VirtualScheduler(seed);
    this.random = this.scheduler.random.fork('test');
    this.bucket = new VirtualBucket(this.scheduler.random.fork('bucket'));
    this.process = new VirtualProcess(this.scheduler, 'world');
    const objectStore = this.bucket.client(this.process);
    const { timers, clock } = this.process;
    this.reader = new Catalog({ objectStore, timers, partitionCount });
    this.requests = new DeleteRequests({ objectStore, clock, timers });
    this.#heads = new PlainHeads(objectStore, partitionCount);
    this.querier = new Querier({
      ingesters: {
        partitions: () => Array.from({ length: partitionCount }, (_, partition) => partition),
        owners: () => [this.#heads.service()],
      },
      catalog: this.reader,
      workers: new VirtualWorkers(this.process, objectStore),
      logger: silentLogger,
      hidden: new HiddenRows({ clock, requests: this.requests, retention: () => this.limits }),
    });
  }

  do<T>(work: Promise<T>): Promise<T> {
    return this.scheduler.settle(work, { eventsMax: 2_000_000 });
  }

  pass(ms: number): Promise<void> {
    return this.scheduler.run({ untilMs: this.scheduler.nowMs + ms });
  }

  get nowNs(): bigint {
    return this.process.clock.nowNs();
  }

  append(rows: readonly TestRow[]): void {
    for (let partition = 0; partition < partitionCount; partition++) {
      const own = rows.filter(({ stream }) => stream % partitionCount === partition);
      if (own.length > 0) this.#heads.append(partition, encodeRows(own));
    }
  }

  /** Commits the records of the partition's head. */
  flush(partition: number): Promise<void> {
    return this.do(this.#heads.flush(partition, this.process.clock.nowMs()));
  }

  /** Like `flush`, but within the world's events, without waiting for the scheduler. */
  flushHead(partition: number): Promise<void> {
    return this.#heads.flush(partition, this.process.clock.nowMs());
  }

  /** Lines of a stored segment, of all tenants. */
  linesOf(key: string): string[] {
    const segment = openSegment(this.bucket.objects.get(key)!, key);
    return segment.sections.flatMap((section) =>
      section.blocks.flatMap(({ index, rowCount }) => {
        const block = segment.block(section, index, 7);
        const [lines, ends] = [block.lines(), block.lineEnds()];
        return Array.from({ length: rowCount }, (_, row) =>
          lines.toString('utf8', row === 0 ? 0 : ends[row - 1], ends[row]),
        );
      }),
    );
  }

  /** A compactor in its own process. */
  compactor(
    options: Partial<CompactorOptions> = {},
    over: Partial<CompactorDeps> = {},
  ): { compactor: Compactor; process: VirtualProcess; catalog: Catalog } {
    const process = new VirtualProcess(this.scheduler, `compactor-${this.#compactors++}`);
    const { clock, timers, random } = process;
    const objectStore = this.bucket.client(process);
    const catalog = new Catalog({ objectStore, timers, partitionCount });
    const requests = new DeleteRequests({ objectStore, clock, timers });
    const logger: Logger = {
      ...silentLogger,
      error: (message, fields) => void this.errors.push(`${message} ${JSON.stringify(fields)}`),
    };
    const compactor = new Compactor({
      objectStore,
      catalog,
      partitions: () => catalog.partitions(),
      clock,
      timers,
      random,
      workers: new VirtualWorkers(process, objectStore),
      logger,
      metrics: compactorMetrics(new Metrics()),
      limits: { forTenant: () => this.limits },
      requests,
      options: { ...compactorDefaults, settleMs: 0, fanIn: 3, orphanIntervalMs: 0, ...options },
      ...over,
    });
    return { compactor, process, catalog };
  }

  /** The answer of a query. */
  async ask(request: LeafRequest): Promise<string> {
    return textOf(await this.do(this.querier.runLeaf(request)));
  }

  /** The expected answer, from all records in order of arrival. */
  async oracle(request: LeafRequest): Promise<string> {
    const sources = this.#heads.all.map((bytes) => ({ kind: 'bytes' as const, bytes }));
    const env = { objectStore: this.bucket.client(this.process), cache: new Map(), cacheBytesMax: 1 << 20 };
    return textOf(atOnce(unpackLeafResult(await leafTask.run({ request, sources }, env))));
  }

  keys(prefix: string): string[] {
    return [...this.bucket.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  }
}

/** Rows of some days around the epoch, unordered, with equal timestamps and repeated lines. */
export function randomRows(random: Prng, count: number, days: readonly number[]): TestRow[] {
  const rows = Array.from({ length: count }, () => {
    const ts = epochNs + BigInt(random.pick(days)) * 24n * hourNs + BigInt(random.int(0, 23)) * hourNs;
    return {
      tenant: random.pick(tenants),
      stream: random.int(0, 4),
      ts: ts + BigInt(random.int(0, 3)),
      line: `n=${random.int(0, 99)} id=${random.int(0, 1e9)}`,
    };
  });
  return rows;
}

const queries = ['{app=~"a.*"}', '{app="a1"} |= "n=1"', '{pod=~"p[12]"} | logfmt | n > 50'];
const metrics = [
  'sum by (app) (count_over_time({app=~"a.*"}[5h]))',
  'count_over_time({app=~"a.*"}[1h])',
  'sum(bytes_over_time({app=~"a.*"} |= "n=2" [24h]))',
  'max by (pod) (max_over_time({app=~"a.*"} | logfmt | unwrap n [30h]))',
  'last_over_time({app="a1"} | logfmt | unwrap n [30h])',
];

export function randomRequest(random: Prng): LeafRequest {
  const tenant = parseTenantId(random.pick(tenants));
  const startNs = epochNs + BigInt(random.int(-100, 24)) * hourNs;
  if (random.chance(0.5)) {
    const endNs = startNs + BigInt(random.int(1, 100)) * hourNs;
    const direction = random.pick(['forward', 'backward'] as const);
    const limit = random.pick([0, 1, 7, 50]);
    return { kind: 'log', tenant, expr: random.pick(queries), startNs, endNs, direction, limit };
  }
  const stepNs = BigInt(random.int(1, 9)) * hourNs;
  const endNs = startNs + stepNs * BigInt(random.int(0, 20));
  return { kind: 'samples', tenant, expr: random.pick(metrics), startNs, endNs, stepNs, seriesMax: 0 };
}

/** An answer as text; series without samples are ignored. */
export function textOf(result: LeafResult): string {
  if (result.kind === 'samples') {
    const lines = result.series.flatMap(({ labels, columns }) =>
      columns[0].some((count) => count !== 0)
        ? [JSON.stringify([labels, columns.map((each) => [...each])])]
        : [],
    );
    return lines.sort().join('\n');
  }
  const lines = Buffer.from(result.lines);
  return [...result.timestampNs]
    .map((ts, i) => {
      const { stream, parsed } = result.labelSets[result.labelSet[i]];
      const line = lines.toString('utf8', i === 0 ? 0 : result.lineEnds[i - 1], result.lineEnds[i]);
      return JSON.stringify([String(ts), stream, parsed, line]);
    })
    .join('\n');
}

function encodeRows(rows: readonly TestRow[]): Buffer {
  const sections = tenants.flatMap((tenant) => {
    const writer = new RowWriter(tenant);
    for (let stream = 0; stream < 5; stream++) {
      const own = rows.filter((row) => row.tenant === tenant && row.stream === stream);
      if (own.length === 0) continue;
      writer.beginRun(
        Labels.fromPairs([
          ['app', `a${stream % 3}`],
          ['pod', `p${stream}`],
        ]),
      );
      for (const { ts, line } of own) {
        writer.addRowText(Number(ts / 1_000_000_000n), Number(ts % 1_000_000_000n), line);
      }
      writer.endRun();
    }
    return writer.finish();
  });
  return encodeSegment(sections, { kind: 'record' });
}
