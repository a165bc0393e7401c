/** Segments and blocks from plain rows, for tests of the engine. */
import { Labels, parseTenantId } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { LeafRequest, LeafResult, LogLeafResult, ObjectStore, WorkerEnv } from '@loki/ports';
import { encodeSegment, RowWriter } from '@loki/segment';
import { atOnce } from '../common/sliced-work.ts';
import { leafTask } from '../leaf/leaf-task.ts';
import type { LeafSource } from '../leaf/open-section.ts';
import { unpackLeafResult } from '../merge/packed-result.ts';

/** Test data as plain rows; what becomes blocks for the tests of this library. */
export interface TestRow {
  readonly labels: Readonly<Record<string, string>>;
  readonly ts: bigint;
  readonly line: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export const tenant = parseTenantId('test');

/**
 * A segment with the rows, one run for each stretch of rows of one stream. As a record its index does not
 * state the metadata bytes of runs, like that of a stored segment of an older version.
 */
export function segmentOf(
  rows: readonly TestRow[],
  blockBytes?: number,
  kind: 'flushed' | 'record' = 'flushed',
): Buffer {
  const writer = new RowWriter(tenant);
  let open: string | undefined;
  for (const row of rows) {
    const labels = Labels.fromPairs(Object.entries(row.labels));
    const text = labels.toString();
    if (text !== open) {
      if (open !== undefined) writer.endRun();
      writer.beginRun(labels);
      open = text;
    }
    writer.addRowText(Number(row.ts / 1_000_000_000n), Number(row.ts % 1_000_000_000n), row.line);
    for (const [name, value] of Object.entries(row.metadata ?? {})) writer.addMetadata(name, value);
  }
  if (open !== undefined) writer.endRun();
  return encodeSegment(writer.finish(), { kind, blockBytes });
}

export function bytesSource(rows: readonly TestRow[], blockBytes?: number): LeafSource {
  return { kind: 'bytes', bytes: segmentOf(rows, blockBytes) };
}

/** Where leaves of a test run. */
export function testEnv(
  objects: ReadonlyMap<string, Buffer> = new Map(),
  cacheBytesMax = 1 << 20,
): WorkerEnv {
  return {
    objectStore: new ReadOnlyStore(objects) as unknown as ObjectStore,
    cache: new Map(),
    cacheBytesMax,
  };
}

/** The reading half of an object store over a map, with a count of the requests. */
class ReadOnlyStore {
  readonly #objects: ReadonlyMap<string, Buffer>;

  constructor(objects: ReadonlyMap<string, Buffer>) {
    this.#objects = objects;
  }

  async getRange(key: string, offset: number, length: number): Promise<Buffer> {
    return Promise.resolve(Buffer.from(this.#object(key).subarray(offset, offset + length)));
  }

  async getTail(key: string, length: number): Promise<{ bytes: Buffer; sizeBytes: number }> {
    const object = this.#object(key);
    const bytes = Buffer.from(object.subarray(Math.max(0, object.length - length)));
    return Promise.resolve({ bytes, sizeBytes: object.length });
  }

  #object(key: string): Buffer {
    const object = this.#objects.get(key);
    if (!object) throw new Error(`no object ${key}`);
    return object;
  }
}

export async function runLeaf(
  request: LeafRequest,
  sources: readonly LeafSource[],
  env: WorkerEnv = testEnv(),
): Promise<LeafResult> {
  return atOnce(unpackLeafResult(await leafTask.run({ request, sources }, env)));
}

export interface LogQuery {
  readonly expr: string;
  readonly startNs?: bigint;
  readonly endNs?: bigint;
  readonly direction?: 'forward' | 'backward';
  readonly limit?: number;
}

export async function runLog(
  query: LogQuery,
  sources: readonly LeafSource[],
  env?: WorkerEnv,
): Promise<LogLeafResult> {
  const { expr, startNs = 0n, endNs = 1n << 60n, direction = 'forward', limit = 0 } = query;
  const result = await runLeaf({ kind: 'log', tenant, expr, startNs, endNs, direction, limit }, sources, env);
  return result as LogLeafResult;
}

export interface PlainRow {
  readonly ts: bigint;
  readonly line: string;
  /** All labels but the stream's, parsed after metadata. */
  readonly labels: Record<string, string>;
  readonly stream: Record<string, string>;
}

/** A log result as plain rows. */
export function plainRows(result: LogLeafResult): PlainRow[] {
  const lines = Buffer.from(result.lines);
  return [...result.timestampNs].map((ts, i) => {
    const set = result.labelSets[result.labelSet[i]];
    return {
      ts,
      line: lines.toString('utf8', i === 0 ? 0 : result.lineEnds[i - 1], result.lineEnds[i]),
      labels: asObject([...set.structuredMetadata, ...set.parsed]),
      stream: asObject(set.stream),
    };
  });
}

function asObject(pairs: readonly LabelPair[]): Record<string, string> {
  return Object.fromEntries(pairs);
}
