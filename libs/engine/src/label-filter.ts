import { QueryPartError, type CompareOp, type LabelFilter } from '@loki/logql';
import { errorKinds, errorLabel } from './error-labels.ts';
import { IpTextMatcher } from './ip-match.ts';
import type { Row } from './row.ts';
import { compileMatcher } from './string-match.ts';
import { parseBytesText, parseDurationText, parseFloatText } from './value-text.ts';

/** True: the row stays. A filter whose value cannot be read keeps the row and marks it with an error. */
export type RowTest = (row: Row) => boolean;

export function compileLabelFilter(filter: LabelFilter): RowTest {
  switch (filter.kind) {
    case 'string': {
      const { name, matches } = compileMatcher(filter.matcher);
      if (name === errorLabel) return (row) => matches(row.error);
      // The details of an error are shown, and never found: filters see a parsed label of that name only.
      return (row) => matches(row.get(name) ?? '');
    }
    case 'number':
      return typedTest(filter.name, filter.op, filter.value, parseFloatText);
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

/** Labels that the filter reads. */
export function labelsOfFilter(filter: LabelFilter): string[] {
  if (filter.kind === 'and' || filter.kind === 'or') {
    return [...labelsOfFilter(filter.left), ...labelsOfFilter(filter.right)];
  }
  return [filter.kind === 'string' ? filter.matcher.name : filter.name];
}

function durationNs(text: string): number | string {
  const value = parseDurationText(text);
  return typeof value === 'bigint' ? Number(value) : value;
}

function typedTest(
  name: string,
  op: CompareOp,
  wanted: number,
  parse: (text: string) => number | string,
): RowTest {
  const compare = comparisons[op];
  return (row) => {
    const text = row.get(name);
    // Before the look at the error: a line that could not be parsed has no such label, and goes.
    if (text === undefined) return false;
    if (row.error !== '') return true;
    const value = parse(text);
    if (typeof value === 'number') return compare(value, wanted);
    row.setError(errorKinds.labelFilter, value);
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

/** The words of the complaint when the pattern is no address, range or block. */
function compileIp(pattern: string): IpTextMatcher | string {
  try {
    return new IpTextMatcher(pattern);
  } catch (error) {
    if (error instanceof QueryPartError) return error.message;
    throw error;
  }
}

/** A bad pattern is no parse error, as it is in a line filter: each row that has the label is kept and marked. */
function ipTest(name: string, isNegated: boolean, matcher: IpTextMatcher | string): RowTest {
  return (row) => {
    const text = row.get(name);
    if (text === undefined) return false;
    if (row.error !== '') return true;
    if (typeof matcher !== 'string') return matcher.matchesAny(text) !== isNegated;
    row.setError(errorKinds.labelFilter, matcher);
    return true;
  };
}
