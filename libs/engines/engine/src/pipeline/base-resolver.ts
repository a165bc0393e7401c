/** Finds the labels of rows from dictionary codes, without creating texts. */
import type { LabelPair } from '@loki/model';
import type { Block, MetadataColumn, Section } from '@loki/segment';
import { extractedSuffix } from '../common/error-labels.ts';
import { BaseLabels, BaseStream } from './base-labels.ts';
import type { NeededLabels } from './needed-labels.ts';

/** Most label combinations that are cached across blocks; with trace ids nearly every row has its own. */
const basesMax = 65_536;

/**
 * Metadata keys of a block up to which a row is looked up in each column; beyond it the block's metadata is
 * put together by row, as hostile clients send thousands of keys.
 */
const lookedUpMax = 16;

/** Factor of a trie key: exceeds every code of a column. */
const codesPerColumn = 2 ** 26;

interface Node {
  base?: BaseLabels;
  children?: Map<number, Node>;
}

/**
 * Finds the `BaseLabels` of a row by its stream and the codes of its metadata: similar rows cost a few
 * lookups, without any string.
 */
export class BaseResolver {
  readonly #needed: NeededLabels;
  readonly #names: readonly string[];
  readonly #streams = new Map<string, BaseStream>();
  /** Bases by stream, then by metadata. */
  readonly #bases = new Map<BaseStream, Map<string, BaseLabels>>();
  #baseCount = 0;
  #cachedCount = 0;
  #section!: Section;
  #block!: Block;
  #roots = new Map<number, Node>();
  /** Undefined until the first use of a row's labels: before, the block may have fewer columns in memory. */
  #columns: readonly MetadataColumn[] | undefined;
  /** The block has too many keys for a look into each column. */
  #isByRow = false;

  /** @param needed labels that later stages use; other metadata is left out */
  constructor(needed: NeededLabels) {
    this.#needed = needed;
    this.#names = metadataNamesOf(needed);
  }

  /** The metadata keys of a block that this resolver reads. Empty: labels follow from the stream alone. */
  metadataNames(names: readonly string[]): readonly string[] {
    return this.#needed.isAll ? names : names.filter((name) => this.#names.includes(name));
  }

  startBlock(section: Section, block: Block): void {
    this.#section = section;
    this.#block = block;
    this.#roots.clear();
    this.#columns = undefined;
    this.#isByRow = this.#needed.isAll && block.info.metadataNames.length > lookedUpMax;
  }

  stream(section: Section, index: number): BaseStream {
    const labels = section.streams.labels(index);
    const text = labels.toString();
    let stream = this.#streams.get(text);
    if (!stream) {
      stream = new BaseStream(labels);
      this.#streams.set(text, stream);
    }
    return stream;
  }

  /** Labels of `row`, which belongs to stream `streamIndex` of the section. */
  base(streamIndex: number, row: number): BaseLabels {
    let node = this.#roots.get(streamIndex);
    if (!node) {
      node = {};
      this.#roots.set(streamIndex, node);
    }
    if (this.#isByRow) {
      const { starts, column, code } = this.#block.rowMetadata();
      for (let i = starts[row]; i < starts[row + 1]; i++) {
        node = child(node, column[i] * codesPerColumn + code[i]);
      }
    } else {
      const columns = this.#neededColumns();
      const { isAll } = this.#needed;
      for (let i = 0; i < columns.length; i++) {
        // A query that prints all labels sees few rows of a block; one that counts by a label sees most.
        const code = isAll ? columns[i].codeAt(row) : columns[i].codes[row];
        if (code !== 0) node = child(node, i * codesPerColumn + code);
      }
    }
    node.base ??= this.#make(streamIndex, row);
    return node.base;
  }

  /** Labels of a stream's rows, for queries in which metadata does not matter. */
  streamBase(section: Section, streamIndex: number): BaseLabels {
    return this.#intern(this.stream(section, streamIndex), []);
  }

  #make(streamIndex: number, row: number): BaseLabels {
    const stream = this.stream(this.#section, streamIndex);
    return this.#intern(stream, this.#metadata(row));
  }

  #intern(stream: BaseStream, metadata: readonly LabelPair[]): BaseLabels {
    let key = '';
    for (const [name, value] of metadata) key += `\u0000${name}\u0001${value}`;
    let bases = this.#bases.get(stream);
    const cached = bases?.get(key);
    if (cached) return cached;
    if (this.#cachedCount >= basesMax) {
      this.#bases.clear();
      this.#cachedCount = 0;
      bases = undefined;
    }
    if (!bases) this.#bases.set(stream, (bases = new Map()));
    const base = new BaseLabels(this.#baseCount++, stream, metadata);
    bases.set(key, base);
    this.#cachedCount += 1;
    return base;
  }

  #neededColumns(): readonly MetadataColumn[] {
    this.#columns ??= this.metadataNames(this.#block.info.metadataNames).flatMap((name) => {
      const column = this.#block.metadataColumn(name);
      return column ? [column] : [];
    });
    return this.#columns;
  }

  #metadata(row: number): LabelPair[] {
    const pairs: LabelPair[] = [];
    const add = (column: MetadataColumn, code: number) => {
      const value = code === 0 ? '' : column.value(code);
      if (value !== '') pairs.push([column.name, value]);
    };
    if (this.#isByRow) {
      const { columns, starts, column, code } = this.#block.rowMetadata();
      for (let i = starts[row]; i < starts[row + 1]; i++) add(columns[column[i]], code[i]);
    } else for (const column of this.#neededColumns()) add(column, column.codeAt(row));
    return pairs;
  }
}

function child(node: Node, key: number): Node {
  node.children ??= new Map();
  let next = node.children.get(key);
  if (!next) {
    next = {};
    node.children.set(key, next);
  }
  return next;
}

/** Metadata keys for the needed labels: `x_extracted` may come from a metadata key x. */
function metadataNamesOf(needed: NeededLabels): string[] {
  const names = new Set<string>();
  for (const name of needed.names) {
    names.add(name);
    if (name.endsWith(extractedSuffix)) names.add(name.slice(0, -extractedSuffix.length));
  }
  return [...names];
}
