/** A cached block whose columns are fetched as scans need them. */
import { columns } from '@loki/segment';
import type { Block, BlockFilter, BlockInfo, ColumnMask, MetadataColumn, RowMetadata } from '@loki/segment';

/** One fetched part of a block: a view with some of its columns. */
interface Part {
  readonly block: Block;
  readonly mask: ColumnMask;
  /** If the mask has metadata: the fetched keys; undefined: all. */
  readonly names: readonly string[] | undefined;
}

/** A fetch in progress of some columns of a block. */
export interface Fetch {
  readonly mask: ColumnMask;
  readonly names: readonly string[] | undefined;
  readonly done: Promise<void>;
}

/** A block whose columns are fetched in parts, as scans need them. */
export class PartedBlock implements Block {
  readonly info: BlockInfo;
  /** Scans that use the block, or have read it ahead. */
  holders = 0;
  #parts: Part[] = [];
  #fetches: Fetch[] = [];

  constructor(info: BlockInfo) {
    this.info = info;
  }

  add(part: Part): void {
    this.#parts.push(part);
  }

  /** Notes that columns are being fetched, for other scans that need them meanwhile. */
  expect(fetch: Fetch): void {
    this.#fetches.push(fetch);
    const end = (): void => void (this.#fetches = this.#fetches.filter((each) => each !== fetch));
    fetch.done.then(end, end);
  }

  get isFetching(): boolean {
    return this.#fetches.length > 0;
  }

  /**
   * The fetch in progress that brings all columns of `mask` that are missing; undefined if there is none. It
   * fails when the store does.
   */
  expected(mask: ColumnMask, names: readonly string[] | undefined): Promise<void> | undefined {
    const missing = this.missing(mask, names);
    return this.#fetches.find((each) => (missing & ~presentIn(each, names)) === 0)?.done;
  }

  /** Columns of `mask` (and metadata keys `names`) that are not fetched yet. */
  missing(mask: ColumnMask, names: readonly string[] | undefined): ColumnMask {
    let missing = mask;
    for (const part of this.#parts) missing &= ~presentIn(part, names);
    return missing;
  }

  timestamps(): Float64Array {
    return this.#with(columns.timestamps).timestamps();
  }

  lineEnds(): Uint32Array {
    return this.#with(columns.lineLengths).lineEnds();
  }

  lines(): Buffer {
    return this.#with(columns.lines).lines();
  }

  metadata(): readonly MetadataColumn[] {
    return this.#withAllMetadata().metadata();
  }

  metadataColumn(name: string): MetadataColumn | undefined {
    const part = this.#parts.find(
      (each) => (each.mask & columns.metadata) !== 0 && coversNames(each, [name]),
    );
    if (!part) throw new Error(`metadata column ${name} was not asked for`);
    return part.block.metadataColumn(name);
  }

  rowMetadata(): RowMetadata {
    return this.#withAllMetadata().rowMetadata();
  }

  filter(): BlockFilter | undefined {
    return this.#with(columns.filter).filter();
  }

  memoryBytes(): number {
    let bytes = 0;
    for (const part of this.#parts) bytes += part.block.memoryBytes();
    return bytes;
  }

  freeLines(): void {
    for (const { block } of this.#parts) block.freeLines();
  }

  /**
   * Ends the block's life in a cache. Its lines are freed at once unless a scan holds the block. Other
   * columns stay: filters, for one, are probed after others of the scan have come into the cache.
   */
  drop(): void {
    if (this.holders > 0) return;
    this.freeLines();
    this.#parts = this.#parts.filter(({ mask }) => (mask & columns.lines) === 0);
  }

  #with(column: ColumnMask): Block {
    const part = this.#parts.find((each) => (each.mask & column) !== 0);
    if (!part) throw new Error(`column ${column} was not asked for`);
    return part.block;
  }

  #withAllMetadata(): Block {
    const part = this.#parts.find((each) => (each.mask & columns.metadata) !== 0 && each.names === undefined);
    if (!part) throw new Error('not all metadata was asked for');
    return part.block;
  }
}

/** The columns that a part or a fetch has, of those with the given metadata keys. */
function presentIn(part: Omit<Part, 'block'>, names: readonly string[] | undefined): ColumnMask {
  return coversNames(part, names) ? part.mask : part.mask & ~columns.metadata;
}

function coversNames(part: Pick<Part, 'names'>, names: readonly string[] | undefined): boolean {
  if (part.names === undefined) return true;
  return names !== undefined && names.every((name) => part.names!.includes(name));
}
