/** Merges tenants' days, or rewrites one, in a worker: step *merge, remove* of a stored day. */
import { findDeletedRows } from '@loki/engine';
import { dayNs, LokiError } from '@loki/model';
import type { LeafDelete, ObjectStore, Task, WorkerEnv } from '@loki/ports';
import { columns, mergeSegments, openSegment, readSegment, removeRows } from '@loki/segment';
import type { Block, BlockInfo, Section, Segment } from '@loki/segment';

/** One merge of a batch. */
interface MergeDayInput {
  readonly tenant: string;
  /** Day in UTC, counted from 1970-01-01. */
  readonly day: number;
  /** Object keys, oldest first. */
  readonly keys: readonly string[];
  /** Rows to leave out. */
  readonly removals: readonly LeafDelete[];
  /** The output is read for months: its lines are compressed with more effort. */
  readonly isFinal: boolean;
}

interface MergeDaysInput {
  readonly merges: readonly MergeDayInput[];
  /** Keys of inputs of several merges, which are read once as a whole. */
  readonly wholeKeys: readonly string[];
  /** Bound on stored bytes in memory of each merge; the plan respects it. */
  readonly bytesMax: number;
  /** Line bytes after which a block of the output ends; default of the segment format. */
  readonly blockBytes?: number;
}

/** The output of one merge of a batch. */
export interface MergeDayOutput {
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
 * Merges rows of several tenants and days, each by itself. Inputs of several merges are opened once: their
 * footers name every tenant.
 */
export const mergeDaysTask: Task<MergeDaysInput, { readonly outputs: readonly MergeDayOutput[] }> = {
  name: 'compactor.mergeDays',
  async run({ merges, wholeKeys, ...options }, env) {
    const inputs = new MergeInputs(env.objectStore, new Set(wholeKeys));
    const outputs: MergeDayOutput[] = [];
    for (const merge of merges) outputs.push(await runMergeDay(merge, inputs, options, env));
    return { outputs };
  },
  transferOutput: ({ outputs }) =>
    outputs.flatMap(({ bytes }) => (bytes ? [bytes.buffer as ArrayBuffer] : [])),
};

async function runMergeDay(
  { tenant, day, keys, removals, isFinal }: MergeDayInput,
  inputs: MergeInputs,
  { bytesMax, blockBytes }: Pick<MergeDaysInput, 'bytesMax' | 'blockBytes'>,
  env: WorkerEnv,
): Promise<MergeDayOutput> {
  const parts: DayPart[] = [];
  let inputBytes = 0;
  for (const key of keys) {
    const part = await inputs.readDay(key, tenant, day);
    if (!part) continue;
    inputBytes += part.storedBytes;
    if (inputBytes > bytesMax * 2) {
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
    { kind: 'compacted', tenants: [tenant], day, blockBytes, effort: isFinal ? 'dense' : undefined },
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

type StoredFooter = Awaited<ReturnType<typeof readSegment>>;

/** The opened inputs of a batch of merges. */
class MergeInputs {
  readonly #store: ObjectStore;
  readonly #wholeKeys: ReadonlySet<string>;
  readonly #wholes = new Map<string, Segment>();
  readonly #footers = new Map<string, StoredFooter>();

  constructor(store: ObjectStore, wholeKeys: ReadonlySet<string>) {
    this.#store = store;
    this.#wholeKeys = wholeKeys;
  }

  /** A segment with only the tenant's blocks of the day in memory. */
  async readDay(key: string, tenant: string, day: number): Promise<DayPart | undefined> {
    return this.#wholeKeys.has(key) ? this.#readWhole(key, tenant, day) : this.#readBlocks(key, tenant, day);
  }

  async #readWhole(key: string, tenant: string, day: number): Promise<DayPart | undefined> {
    let whole = this.#wholes.get(key);
    if (!whole) this.#wholes.set(key, (whole = openSegment(await this.#store.get(key), key)));
    const section = whole.section(tenant);
    if (!section) return undefined;
    const opened = whole;
    return dayPart(whole, section, day, (info) => opened.block(section, info.index, all));
  }

  async #readBlocks(key: string, tenant: string, day: number): Promise<DayPart | undefined> {
    let footer = this.#footers.get(key);
    if (!footer) this.#footers.set(key, (footer = await readSegment(this.#store, key)));
    const section = footer.section(tenant);
    if (!section) return undefined;
    const infos = blocksOf(section, day);
    const fetched = await footer.fetchBlocks(
      section,
      infos.map(({ index }) => index),
      all,
    );
    const blocks = new Map(infos.map((info, i) => [info.index, fetched[i]]));
    return dayPart(footer, section, day, ({ index }) => blocks.get(index)!);
  }
}

/** The tenant's blocks with rows of the day. */
function blocksOf(section: Section, day: number): BlockInfo[] {
  const startNs = BigInt(day) * dayNs;
  return section.blocks.filter(
    (info) => info.baseNs < startNs + dayNs && info.baseNs + BigInt(info.maxTs) >= startNs,
  );
}

function dayPart(
  { kind, version, sizeBytes }: Pick<Segment, 'kind' | 'version' | 'sizeBytes'>,
  section: Section,
  day: number,
  read: (info: BlockInfo) => Block,
): DayPart {
  const infos = blocksOf(section, day);
  const blocks = new Map(infos.map((info) => [info.index, read(info)]));
  const visibleSection: Section = { ...parts(section), blocks: infos };
  const segment: Segment = {
    kind,
    version,
    sizeBytes,
    bytes: Buffer.alloc(0),
    sections: [visibleSection],
    section: (name) => (name === section.tenant ? visibleSection : undefined),
    block: (_, index) => blocks.get(index)!,
  };
  const startNs = BigInt(day) * dayNs;
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
