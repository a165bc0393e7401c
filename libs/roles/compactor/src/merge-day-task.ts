/** Merges or rewrites a tenant's day in a worker: step *merge, remove* of a stored day. */
import { findDeletedRows } from '@loki/engine';
import { dayNs, LokiError } from '@loki/model';
import type { LeafDelete, ObjectStore, Task, WorkerEnv } from '@loki/ports';
import { columns, mergeSegments, readSegment, removeRows } from '@loki/segment';
import type { Block, BlockInfo, Section, Segment } from '@loki/segment';

interface MergeDayInput {
  readonly tenant: string;
  /** Day in UTC, counted from 1970-01-01. */
  readonly day: number;
  /** Object keys, oldest first. */
  readonly keys: readonly string[];
  /** Rows to leave out. */
  readonly removals: readonly LeafDelete[];
  /** Bound on stored bytes in memory; the plan respects it. */
  readonly bytesMax: number;
  /** The output is read for months: its lines are compressed with more effort. */
  readonly isFinal: boolean;
  /** Line bytes after which a block of the output ends; default of the segment format. */
  readonly blockBytes?: number;
}

interface MergeDayOutput {
  /** Absent if no row remains. */
  readonly bytes?: Uint8Array;
  /** Rows of the day in the inputs: all must be accounted for. */
  readonly inputRows: number;
  readonly inputBytes: number;
  readonly outputRows: number;
  readonly duplicateRows: number;
  readonly removedRows: number;
}

const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;

/**
 * Merges a tenant's rows of one day. Reads the footers of the inputs, and the blocks with rows of the day.
 */
export const mergeDayTask: Task<MergeDayInput, MergeDayOutput> = {
  name: 'compactor.mergeDay',
  run: runMergeDay,
  transferOutput: ({ bytes }) => (bytes ? [bytes.buffer as ArrayBuffer] : []),
};

async function runMergeDay(input: MergeDayInput, env: WorkerEnv): Promise<MergeDayOutput> {
  const { tenant, day, removals } = input;
  const parts: DayPart[] = [];
  let inputBytes = 0;
  for (const key of input.keys) {
    const part = await readDay(env.objectStore, key, tenant, day);
    if (!part) continue;
    inputBytes += part.storedBytes;
    if (inputBytes > input.bytesMax * 2) {
      throw new LokiError(
        'internal',
        `compacting ${tenant}, day ${day} would take ${inputBytes} bytes of input`,
      );
    }
    parts.push(part);
  }
  const inputRows = parts.reduce((sum, part) => sum + part.rows, 0);
  const merged = mergeSegments(
    parts.map((part) => part.segment),
    {
      kind: 'compacted',
      tenants: [tenant],
      day,
      blockBytes: input.blockBytes,
      effort: input.isFinal ? 'dense' : undefined,
    },
  );
  const counts = { inputRows, inputBytes, duplicateRows: merged.duplicateRows };
  if (merged.rowCount === 0) return { ...counts, outputRows: 0, removedRows: 0 };
  const remaining = await withoutRemoved(merged.bytes, tenant, removals, env);
  const outputRows = merged.rowCount - remaining.removedRows;
  return {
    ...counts,
    outputRows,
    removedRows: remaining.removedRows,
    bytes: outputRows === 0 ? undefined : own(remaining.bytes),
  };
}

interface RewriteInput {
  readonly tenant: string;
  readonly key: string;
  readonly removals: readonly LeafDelete[];
}

interface RewriteOutput {
  /** Absent if nothing was removed, or if nothing remains: `removedRows` distinguishes the two. */
  readonly bytes?: Uint8Array;
  readonly removedRows: number;
  readonly inputRows: number;
}

/** Removes rows from one compacted segment; only blocks with removed rows are decoded and encoded again. */
export const rewriteTask: Task<RewriteInput, RewriteOutput> = {
  name: 'compactor.rewrite',
  async run({ tenant, key, removals }, env) {
    const deletedRows = await findDeletedRows({ kind: 'object', key }, tenant, removals, env);
    if (deletedRows.length === 0) return { removedRows: 0, inputRows: 0 };
    const bytes = await env.objectStore.get(key);
    const removedRows = deletedRows.reduce((sum, { rows }) => sum + rows.length, 0);
    const removed = deletedRows.map((each) => ({ tenant, ...each }));
    const remaining = removeRows(bytes, removed, { name: key, effort: 'dense' });
    const inputRows = (await readSegment(env.objectStore, key)).section(tenant)!.rowCount;
    return removedRows === inputRows
      ? { removedRows, inputRows }
      : { removedRows, inputRows, bytes: own(remaining) };
  },
  transferOutput: ({ bytes }) => (bytes ? [bytes.buffer as ArrayBuffer] : []),
};

interface DayPart {
  readonly segment: Segment;
  readonly rows: number;
  readonly storedBytes: number;
}

/** A segment with only the tenant's blocks of the day in memory. */
async function readDay(
  store: ObjectStore,
  key: string,
  tenant: string,
  day: number,
): Promise<DayPart | undefined> {
  const daySegment = await readSegment(store, key);
  const section = daySegment.section(tenant);
  if (!section) return undefined;
  const startNs = BigInt(day) * dayNs;
  const infos = section.blocks.filter(
    (info) => info.baseNs < startNs + dayNs && info.baseNs + BigInt(info.maxTs) >= startNs,
  );
  const fetched = await daySegment.fetchBlocks(
    section,
    infos.map(({ index }) => index),
    all,
  );
  const blocks = new Map(infos.map((info, i) => [info.index, fetched[i]]));
  const visibleSection: Section = { ...parts(section), blocks: infos };
  const segment: Segment = {
    kind: daySegment.kind,
    version: daySegment.version,
    sizeBytes: daySegment.sizeBytes,
    bytes: Buffer.alloc(0),
    sections: [visibleSection],
    section: (name) => (name === tenant ? visibleSection : undefined),
    block: (_, index) => blocks.get(index)!,
  };
  const rows = infos.reduce((sum, info) => sum + rowsOfDay(info, blocks.get(info.index)!, startNs), 0);
  return { segment, rows, storedBytes: infos.reduce((sum, info) => sum + info.storedBytes, 0) };
}

/** The members of a section that a merge reads, as a separate object. */
function parts(section: Section): Omit<Section, 'blocks'> {
  const { tenant, streams, labelIndex, minNs, maxNs, rowCount, lineBytes } = section;
  return { tenant, streams, labelIndex, minNs, maxNs, rowCount, lineBytes };
}

/** Counted independently of the merge, to detect a lost row. */
function rowsOfDay(info: BlockInfo, block: Block, startNs: bigint): number {
  const from = Number(startNs - info.baseNs);
  const to = Number(startNs + dayNs - info.baseNs);
  if (info.minTs >= from && info.maxTs < to) return info.rowCount;
  let rows = 0;
  for (const ts of block.timestamps()) if (ts >= from && ts < to) rows++;
  return rows;
}

async function withoutRemoved(
  bytes: Buffer,
  tenant: string,
  removals: readonly LeafDelete[],
  env: WorkerEnv,
): Promise<{ bytes: Buffer; removedRows: number }> {
  if (removals.length === 0) return { bytes, removedRows: 0 };
  const deletedRows = await findDeletedRows({ kind: 'bytes', bytes }, tenant, removals, env);
  const removedRows = deletedRows.reduce((sum, { rows }) => sum + rows.length, 0);
  if (removedRows === 0) return { bytes, removedRows };
  const removed = deletedRows.map((each) => ({ tenant, ...each }));
  return { bytes: removeRows(bytes, removed, { effort: 'dense' }), removedRows };
}

/** A copy with its own memory, which can be transferred to another thread. */
function own(bytes: Buffer): Uint8Array {
  const isShared = bytes.byteOffset !== 0 || bytes.buffer.byteLength > bytes.length * 1.5;
  return isShared ? new Uint8Array(bytes) : bytes;
}
