/** Helpers of ingester tests: an ingester on memory adapters and virtual time. */
import { sectionsOf } from '@loki/catalog';
import type { CommitState, FlushCommit, PartitionCommitter } from '@loki/catalog';
import type { LimitsSource } from '@loki/config';
import { LokiError, parseTenantId, usOf } from '@loki/model';
import type { Logger, LogLeafRequest, LogLeafResult, WriteLog } from '@loki/ports';
import { openSegment } from '@loki/segment';
import { ingesterMetrics, Metrics } from '@loki/telemetry';
import type { IngesterMetrics } from '@loki/telemetry';
import { VirtualBucket, VirtualDisk, VirtualProcess, VirtualScheduler, VirtualWorkers } from '@loki/virtual';
import { EmbeddedWriteLog } from '@loki/write-log';
import type { CommittedSegments } from '../dedupe/committed-rows.ts';
import type { IngesterDeps } from '../deps.ts';
import { Ingester } from '../ingester.ts';
import type { IngesterOptions } from '../options.ts';
import { decodeRows, encodeRows } from './records.ts';
import type { Row } from './records.ts';

/** Manifests of one partition in memory, shared by all ingesters of a test. */
export class MemoryCommits implements PartitionCommitter {
  readonly entries: FlushCommit[] = [];
  /** Set: every call fails. */
  isDown = false;
  /** Set: the next commit is done, and its answer gets lost. */
  losesAnswer = false;
  /** Set: a damaged manifest stands where the next commit should. */
  isDamaged = false;

  async prove(): Promise<void> {
    if (this.isDamaged) throw new LokiError('corrupt', 'a damaged manifest');
  }

  async load(): Promise<CommitState> {
    this.#check();
    let newestUs = Number.NEGATIVE_INFINITY;
    for (const { segment } of this.entries) {
      if (!segment) continue;
      for (const { maxNs } of sectionsOf(segment.bytes)) newestUs = Math.max(newestUs, usOf(maxNs));
    }
    const last = this.entries.at(-1);
    return { endOffset: last?.endOffset ?? 0, writers: last?.writers ?? [], newestUs };
  }

  async commit(commit: FlushCommit): Promise<boolean> {
    this.#check();
    if (commit.startOffset !== (this.entries.at(-1)?.endOffset ?? 0)) return false;
    this.entries.push(commit);
    if (this.losesAnswer) {
      this.losesAnswer = false;
      throw new Error('the answer got lost');
    }
    return true;
  }

  news(): { number: number; manifests: readonly Uint8Array[] } {
    return { number: this.entries.length, manifests: [] };
  }

  #check(): void {
    if (this.isDown) throw new Error('manifests are down');
  }
}

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

/** Counts that a test may read. */
export interface Counted {
  repeated: number;
  quarantined: number;
  duplicates: number;
  lost: number;
  failed: number;
  tailDropped: number;
}

/** One ingester over a real write log and a virtual world; a test drives all by the scheduler. */
export class World {
  readonly scheduler = new VirtualScheduler(1);
  readonly bucket = new VirtualBucket(this.scheduler.random.fork('bucket'));
  readonly disk = new VirtualDisk(this.scheduler.random.fork('disk'));
  readonly commits = new MemoryCommits();
  readonly counted: Counted = {
    repeated: 0,
    quarantined: 0,
    duplicates: 0,
    lost: 0,
    failed: 0,
    tailDropped: 0,
  };
  log!: WriteLog;
  readonly #timers = new VirtualProcess(this.scheduler, 'test').timers;
  #processes = 0;
  #sequence = 0;

  static async open(): Promise<World> {
    const world = new World();
    const process = new VirtualProcess(world.scheduler, 'log');
    world.log = await world.do(
      EmbeddedWriteLog.open({
        disk: world.disk.client(process),
        timers: process.timers,
        random: process.random,
        partitionCount: 1,
      }),
    );
    return world;
  }

  /** Runs the world until the work is done. */
  do<T>(work: Promise<T>): Promise<T> {
    return this.scheduler.settle(work, { eventsMax: 200_000 });
  }

  /** Lets virtual time pass. */
  pass(ms: number): Promise<void> {
    return this.scheduler.run({ untilMs: this.scheduler.nowMs + ms });
  }

  /** Resolves when virtual time has passed, for those who run in the world. */
  passing(ms: number): Promise<void> {
    return this.#timers.sleep(ms);
  }

  /** Tells the ingester that `ready` has started last what it owns from now on. */
  own: (partitions: readonly number[]) => void = () => {};

  ingester(options: Partial<IngesterOptions> = {}, over: Partial<IngesterDeps> = {}): Ingester {
    const process = new VirtualProcess(this.scheduler, `ingester-${this.#processes++}`);
    const objectStore = this.bucket.client(process);
    const { counted } = this;
    const metrics: IngesterMetrics = {
      ...ingesterMetrics(new Metrics()),
      recordRepeated: () => void counted.repeated++,
      recordQuarantined: () => void counted.quarantined++,
      duplicatesDropped: (_, rows) => void (counted.duplicates += rows),
      flushLost: () => void counted.lost++,
      flushFailed: () => void counted.failed++,
      tailDropped: (entries) => void (counted.tailDropped += entries),
    };
    const committed: CommittedSegments = {
      keys: async (_, offset, { tenant, startNs, endNs }) =>
        this.commits.entries.flatMap(({ segment, endOffset }) => {
          const section = segment && sectionsOf(segment.bytes).find((each) => each.tenant === tenant);
          const overlaps = section && section.minNs < endNs && section.maxNs >= startNs;
          return overlaps && endOffset <= offset ? [segment!.key] : [];
        }),
    };
    const deps: IngesterDeps = {
      clock: process.clock,
      timers: process.timers,
      random: process.random,
      workers: new VirtualWorkers(process, objectStore),
      writeLog: this.log,
      objectStore,
      commits: () => this.commits,
      committed,
      logger: silentLogger,
      metrics,
      limits: {} as LimitsSource,
      ...over,
    };
    const owned = (onChange: (partitions: readonly number[]) => void) => {
      onChange([0]);
      this.own = onChange;
      return () => {};
    };
    const ingester = new Ingester(deps, owned, options);
    ingester.start();
    return ingester;
  }

  /** Started and caught up. */
  async ready(options: Partial<IngesterOptions> = {}, over: Partial<IngesterDeps> = {}): Promise<Ingester> {
    const ingester = this.ingester(options, over);
    await this.scheduler.run({ until: () => ingester.isReady(), eventsMax: 200_000 });
    return ingester;
  }

  append(rows: readonly Row[], writer: { id?: string; sequence?: number } = {}): Promise<number> {
    return this.appendBytes(encodeRows(rows), writer);
  }

  appendBytes(payload: Buffer, writer: { id?: string; sequence?: number } = {}): Promise<number> {
    const sequence = writer.sequence ?? ++this.#sequence;
    return this.do(this.log.append(0, { writerId: writer.id ?? '0'.repeat(32), sequence, payload }));
  }

  /** Lines of tenant `a` in the head, in time order. */
  async headLines(ingester: Ingester): Promise<string[]> {
    const answer = await this.do(ingester.queryHead(0, everything()));
    return linesOf(answer.result as LogLeafResult);
  }

  /** All entries of committed segments as texts. */
  storedRows(): string[] {
    return this.commits.entries.flatMap(({ segment }) =>
      segment ? decodeRows(openSegment(this.bucket.objects.get(segment.key)!)) : [],
    );
  }
}

export function everything(over: Partial<LogLeafRequest> = {}): LogLeafRequest {
  return {
    kind: 'log',
    tenant: parseTenantId('a'),
    expr: '{app=~".+"}',
    startNs: 0n,
    endNs: 1n << 62n,
    direction: 'forward',
    limit: 0,
    ...over,
  };
}

export function linesOf(result: LogLeafResult): string[] {
  const lines = Buffer.from(result.lines.buffer, result.lines.byteOffset, result.lines.length);
  return Array.from(result.lineEnds, (end, i) =>
    lines.toString('utf8', i === 0 ? 0 : result.lineEnds[i - 1], end),
  );
}
