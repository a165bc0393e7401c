/** Label filters after parsers, which test one row at a time. */
import { QueryPartError } from '@loki/logql';
import type { CompareOp, LabelFilter } from '@loki/logql';
import { errorKinds, errorLabel } from '../common/error-labels.ts';
import { parseBytesText, parseDurationText, parseFloatOrError } from '../common/value-text.ts';
import { IpTextMatcher } from './ip-text-matcher.ts';
import type { Row } from './row.ts';
import { compileCachedMatcher } from './string-match.ts';

/**
 * Returns true if the row passes. A typed filter tests its label regardless of earlier errors. A row whose
 * value cannot be parsed passes and gets an error, unless it already has one.
 */
export type RowTest = (row: Row) => boolean;

export function compileLabelFilter(filter: LabelFilter): RowTest {
  switch (filter.kind) {
    case 'string': {
      const { name, matches } = compileCachedMatcher(filter.matcher);
      if (name === errorLabel) return (row) => matches(row.error);
      // Filters do not see the details of an error, only a parsed label of that name.
      return (row) => matches(row.get(name) ?? '');
    }
    case 'number':
      return typedTest(filter.name, filter.op, filter.value, parseFloatOrError);
    case 'duration':
      return typedTest(filter.name, filter.op, Number(filter.valueNs), durationNs);
    case 'bytes':
      return typedTest(filter.name, filter.op, filter.valueBytes, parseBytesText);
    case 'ip':
      return ipTest(filter.name, filter.op === '!=', compileIp(filter.pattern));
    case 'and': {
      const left = compileLabelFilter(filter.left);
      const right = compileLabelFilter(filter.right);
      return (row) => left(row) && right(row);
    }
    case 'or': {
      const left = compileLabelFilter(filter.left);
      const right = compileLabelFilter(filter.right);
      return (row) => left(row) || right(row);
    }
  }
}

/** The labels that the filter reads. */
export function labelsOfFilter(filter: LabelFilter): string[] {
  if (filter.kind === 'and' || filter.kind === 'or') {
    return [...labelsOfFilter(filter.left), ...labelsOfFilter(filter.right)];
  }
  return [filter.kind === 'string' ? filter.matcher.name : filter.name];
}

/** Whether the filter's answer depends on the error of a row. */
export function looksAtErrors(filter: LabelFilter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') {
    return looksAtErrors(filter.left) || looksAtErrors(filter.right);
  }
  return filter.kind === 'ip' || (filter.kind === 'string' && filter.matcher.name === errorLabel);
}

function durationNs(text: string): number | string {
  const value = parseDurationText(text);
  return typeof value === 'bigint' ? Number(value) : value;
}

function typedTest(
  name: string,
  op: CompareOp,
  operand: number,
  parse: (text: string) => number | string,
): RowTest {
  const compare = comparisons[op];
  return (row) => {
    const text = row.get(name);
    if (text === undefined) return false;
    const value = parse(text);
    if (typeof value === 'number') return compare(value, operand);
    if (row.error === '') row.setError(errorKinds.labelFilter, value);
    return true;
  };
}

const comparisons: Record<CompareOp, (a: number, b: number) => boolean> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
};

/**
 * The matcher, or the error for an invalid pattern. The parser refuses such patterns, but stored deletes may
 * have them.
 */
function compileIp(pattern: string): IpTextMatcher | string {
  try {
    return new IpTextMatcher(pattern);
  } catch (error) {
    if (error instanceof QueryPartError) return error.message;
    throw error;
  }
}

/** Unlike other typed filters it passes every row with an error, even without the label. */
function ipTest(name: string, isNegated: boolean, matcher: IpTextMatcher | string): RowTest {
  return (row) => {
    if (row.error !== '') return true;
    const text = row.get(name);
    if (text === undefined) return false;
    if (typeof matcher !== 'string') return matcher.matchesAny(text) !== isNegated;
    row.setError(errorKinds.labelFilter, matcher);
    return true;
  };
}
