/** Helpers of distributor tests: a write log in memory, a distributor on it, the stored entries. */
import { buildLimits } from '@loki/config';
import type { Limits } from '@loki/config';
import { parseTenantId } from '@loki/model';
import type { Clock, HttpRequest, HttpResponse, Logger, LogRecord, WriteLog } from '@loki/ports';
import { InlineWorkers, NodeTimers } from '@loki/runtime';
import { columns, openSegment } from '@loki/segment';
import { distributorMetrics, Metrics } from '@loki/telemetry';
import { Distributor } from '../distributor.ts';
import type { DistributorDeps } from '../distributor.ts';
import type { DistributorOptions } from '../options.ts';

/** Things that tests of the distributor share. */

export const quietLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => quietLogger,
};

/** A write log that keeps records in memory, and fails while `isBroken`. */
export class RecordingLog implements WriteLog {
  readonly partitionCount: number;
  recordBytesMax = 1 << 24;
  readonly records: { readonly partition: number; readonly record: LogRecord }[] = [];
  /** `waitedMs` of each append. */
  readonly waitedMs: number[] = [];
  isBroken = false;
  /** The record with this sequence is refused. */
  failing = 0;
  /** Appends wait for it. */
  gate: Promise<void> = Promise.resolve();

  constructor(partitionCount = 4) {
    this.partitionCount = partitionCount;
  }

  async append(partition: number, record: LogRecord, waitedMs = 0): Promise<number> {
    this.waitedMs.push(waitedMs);
    await this.gate;
    if (this.isBroken || record.sequence === this.failing) throw new Error('disk full');
    if (record.payload.length > this.recordBytesMax) throw new Error('a record that the log does not take');
    this.records.push({ partition, record });
    return this.records.length;
  }

  read(): never {
    throw new Error('not needed');
  }

  async endOffset(): Promise<number> {
    return this.records.length;
  }

  async startOffset(): Promise<number> {
    return 0;
  }

  async truncateBefore(): Promise<void> {}
  async close(): Promise<void> {}
}

/** A clock that stands still until it is moved. */
export class StoppedClock implements Clock {
  ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  nowMs(): number {
    return this.ms;
  }
  nowNs(): bigint {
    return BigInt(this.ms) * 1_000_000n;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

/** Tasks run here, their input and output cloned as between threads. */
export function inlineWorkers(): InlineWorkers {
  const env = { objectStore: undefined as never, cache: new Map<string, unknown>(), cacheBytesMax: 0 };
  return new InlineWorkers(env, { isCloning: true });
}

export const defaultLimits: Limits = buildLimits(new Map(), { maxReturnedStreamErrors: 10 });

export interface TestSetup {
  readonly limits?: (tenant: string) => Limits;
  readonly options?: Partial<DistributorOptions>;
  readonly deps?: Partial<DistributorDeps>;
  readonly nowMs?: number;
  readonly partitions?: number;
}

/** A distributor over fakes. */
export function testDistributor(setup: TestSetup = {}) {
  const log = new RecordingLog(setup.partitions);
  const clock = new StoppedClock(setup.nowMs ?? Date.UTC(2026, 0, 15, 12, 30));
  const metrics = new Metrics();
  const limits = setup.limits ?? (() => defaultLimits);
  const distributor = new Distributor(
    {
      clock,
      timers: new NodeTimers(),
      random: { float: () => 0.5, uint32: () => 1, bytes: (count) => new Uint8Array(count).fill(7) },
      workers: inlineWorkers(),
      writeLog: log,
      limits: { forTenant: limits },
      logger: quietLogger,
      metrics: distributorMetrics(metrics),
      healthyDistributors: () => 1,
      ...setup.deps,
    },
    { lingerMs: 1, ...setup.options },
  );
  const push = (tenant: string, request: Partial<HttpRequest> & { body: Buffer }): Promise<HttpResponse> =>
    distributor.push(parseTenantId(tenant), {
      method: 'POST',
      path: '/loki/api/v1/push',
      params: new Map(),
      queryText: '',
      headers: new Map([['content-type', 'application/json']]),
      remoteAddress: '127.0.0.1',
      signal: new AbortController().signal,
      ...request,
    });
  return { distributor, log, clock, metrics, push };
}

export interface StoredEntry {
  readonly tenant: string;
  readonly stream: Record<string, string>;
  readonly timestampNs: bigint;
  readonly line: string;
  readonly metadata: Record<string, string>;
}

/** Every entry of the appended records, in order of record, run and row. */
export function storedEntries(log: Pick<RecordingLog, 'records'>): StoredEntry[] {
  return log.records.flatMap(({ record }) => {
    const segment = openSegment(record.payload);
    return segment.sections.flatMap((section) =>
      section.blocks.flatMap((info) => {
        const block = segment.block(
          section,
          info.index,
          columns.timestamps | columns.lines | columns.lineLengths | columns.metadata,
        );
        const [timestamps, ends, lines] = [block.timestamps(), block.lineEnds(), block.lines()];
        const entries: StoredEntry[] = [];
        for (let run = 0; run < info.runs.count; run++) {
          const stream = section.streams.labels(info.runs.stream[run]).toObject();
          for (let row = info.runs.firstRow[run]; row < info.runs.firstRow[run + 1]; row++) {
            entries.push({
              tenant: section.tenant,
              stream,
              timestampNs: info.baseNs + BigInt(timestamps[row]),
              line: lines.toString('utf8', row === 0 ? 0 : ends[row - 1], ends[row]),
              metadata: Object.fromEntries(
                block.metadata().flatMap((column) => {
                  const code = column.codes[row];
                  return code === 0 ? [] : [[column.name, column.values[code - 1]]];
                }),
              ),
            });
          }
        }
        return entries;
      }),
    );
  });
}
