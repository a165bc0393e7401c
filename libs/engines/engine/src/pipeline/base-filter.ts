/** Label filters on stream labels and metadata, which run before any line is read. */
import type { LabelFilter, StringMatcher } from '@loki/logql';
import type { Block, MetadataColumn } from '@loki/segment';
import { errorDetailsLabel, errorLabel, extractedSuffix } from '../common/error-labels.ts';
import type { BaseStream } from './base-labels.ts';
import { compileCachedMatcher } from './string-match.ts';

/** A filter's answer for the rows of a run: all, none, or a test per row. */
type RunAnswer = boolean | ((row: number) => boolean);

/**
 * A label filter before every stage that changes labels: stream labels and metadata alone determine its
 * answer. It runs once per value of a block's dictionary, and lines of rows that fail are not read.
 */
export interface BaseFilter {
  /** Metadata keys that the filter may read. */
  readonly names: readonly string[];
  /** The answer for the rows of one run. A returned test is valid for this block and stream only. */
  answer(block: Block, stream: BaseStream): RunAnswer;
}

/** Compiles a filter to a base filter; undefined when it can fail on a value or tests errors. */
export function compileBaseFilter(filter: LabelFilter): BaseFilter | undefined {
  if (filter.kind === 'string') {
    const { name } = filter.matcher;
    if (name === errorLabel || name === errorDetailsLabel) return undefined;
    return new ValueFilter(compileCachedMatcher(filter.matcher));
  }
  if (filter.kind !== 'and' && filter.kind !== 'or') return undefined;
  const left = compileBaseFilter(filter.left);
  const right = compileBaseFilter(filter.right);
  return left && right && new PairFilter(left, right, filter.kind === 'and');
}

class PairFilter implements BaseFilter {
  readonly names: readonly string[];
  readonly #left: BaseFilter;
  readonly #right: BaseFilter;
  readonly #isAnd: boolean;

  constructor(left: BaseFilter, right: BaseFilter, isAnd: boolean) {
    this.names = [...left.names, ...right.names];
    this.#left = left;
    this.#right = right;
    this.#isAnd = isAnd;
  }

  answer(block: Block, stream: BaseStream): RunAnswer {
    const left = this.#left.answer(block, stream);
    if (typeof left === 'boolean') return left === this.#isAnd ? this.#right.answer(block, stream) : left;
    const right = this.#right.answer(block, stream);
    if (typeof right === 'boolean') return right === this.#isAnd ? left : right;
    return this.#isAnd ? (row) => left(row) && right(row) : (row) => left(row) || right(row);
  }
}

class ValueFilter implements BaseFilter {
  readonly names: readonly string[];
  readonly #matcher: StringMatcher;
  /** The metadata key that is renamed to `x_extracted` in streams with a label x. */
  readonly #shortName: string | undefined;

  constructor(matcher: StringMatcher) {
    this.#matcher = matcher;
    const { name } = matcher;
    this.#shortName = name.endsWith(extractedSuffix) ? name.slice(0, -extractedSuffix.length) : undefined;
    this.names = this.#shortName === undefined ? [name] : [this.#shortName, name];
  }

  answer(block: Block, stream: BaseStream): RunAnswer {
    const { name, matches } = this.#matcher;
    const inStream = stream.indexOf(name);
    if (inStream >= 0) return matches(stream.labels.values[inStream]);
    const whenAbsent = matches('');
    const named = this.#codes(block, name);
    const isRenamed = this.#shortName !== undefined && stream.indexOf(this.#shortName) >= 0;
    const renamed = isRenamed ? this.#codes(block, this.#shortName!) : undefined;
    if (!named && !renamed) return whenAbsent;
    const first = renamed ?? named!;
    const second = renamed ? named : undefined;
    if (!whenAbsent && !first.isAnyPassing && !second?.isAnyPassing) return false;
    return (row) => {
      const code = first.column.codes[row];
      if (code !== 0) return first.passes[code] !== 0;
      const next = second ? second.column.codes[row] : 0;
      return next === 0 ? whenAbsent : second!.passes[next] !== 0;
    };
  }

  #codes(
    block: Block,
    name: string,
  ): { column: MetadataColumn; passes: Uint8Array; isAnyPassing: boolean } | undefined {
    if (!block.info.metadataNames.includes(name)) return undefined;
    const column = block.metadataColumn(name);
    if (!column) return undefined;
    const { listed, matches } = this.#matcher;
    const passes = new Uint8Array(column.values.length + 1);
    if (listed?.isNegated === false && listed.values.size === 1) {
      const [value] = listed.values;
      const at = column.values.indexOf(value);
      if (at >= 0) passes[at + 1] = 1;
      return { column, passes, isAnyPassing: at >= 0 };
    }
    let isAnyPassing = false;
    column.values.forEach((value, i) => {
      if (!matches(value)) return;
      passes[i + 1] = 1;
      isAnyPassing = true;
    });
    return { column, passes, isAnyPassing };
  }
}
