/** The referee's pipeline stages, an implementation of its own. */
import type { CompareOp, LabelFilter, LineFilterStageSpec, LogExpr, Matcher, Stage } from '@loki/logql';
import { compileTemplate, TemplateExecError } from '@loki/template';
import { fail, parseByPattern, parseJson, parseLogfmt, parseRegexp, unpack } from './referee-parsers.ts';
import { Unsure } from './referee-row.ts';
import type { PlainRow } from './referee-row.ts';
import {
  bytesOf,
  durationNsOf,
  floatOf,
  hasAddress,
  regexOf,
  memoized,
  wholeRegexOf,
} from './referee-values.ts';

/** Whether the row passes all stages. */
export function passes(row: PlainRow, { matchers, stages }: Pick<LogExpr, 'matchers' | 'stages'>): boolean {
  return matchers.every((each) => matches(each, row.stream.get(each.name) ?? '')) && inOrder(stages).every((stage) => passesStage(row, stage)); // prettier-ignore
}

/** A line filter reads the line before its colours are removed. */
function inOrder(stages: readonly Stage[]): Stage[] {
  const ordered: Stage[] = [];
  for (const stage of stages) {
    const changed = ordered.findLastIndex(({ kind }) => kind === 'lineFormat' || kind === 'unpack');
    const colours = ordered.findIndex(({ kind }, i) => i > changed && kind === 'decolorize');
    const isEarly = stage.kind === 'lineFilter' && colours >= 0;
    ordered.splice(isEarly ? colours : ordered.length, 0, stage);
  }
  return ordered;
}

function passesStage(row: PlainRow, stage: Stage): boolean {
  switch (stage.kind) {
    case 'lineFilter':
      return passesLineFilter(row.line, stage);
    case 'labelFilter':
      return passesFilter(row, stage.filter);
    case 'json':
      parseJson(row, stage);
      return true;
    case 'logfmt':
      parseLogfmt(row, stage);
      return true;
    case 'regexp':
      parseRegexp(row, stage.pattern);
      return true;
    case 'pattern':
      parseByPattern(row, stage.pattern);
      return true;
    case 'unpack':
      unpack(row);
      return true;
    case 'decolorize':
      // Colours only: lines have no other sequences of terminals.
      row.line = row.line.replace(/\u001b\[[\d;]*[A-Za-z]/g, ''); // eslint-disable-line no-control-regex
      return true;
    case 'lineFormat': {
      const text = executed(row, stage.template, 'line', row.labels());
      if (text !== undefined) row.line = text;
      return true;
    }
    case 'labelFormat':
      formatLabels(row, stage.formats);
      return true;
    case 'drop':
      for (const target of stage.targets) drop(row, target);
      return true;
    case 'keep':
      for (const labels of [row.stream, row.metadata, row.parsed]) {
        for (const [name, value] of labels) {
          if (!stage.targets.some((target) => isMeant(target, name, value))) labels.delete(name);
        }
      }
      return true;
  }
}

function passesLineFilter(line: string, { op, operands }: LineFilterStageSpec): boolean {
  const isMatch = operands.some(({ text, ip }) => {
    if (ip) return hasAddress(line, text);
    if (op === '|=' || op === '!=') return line.includes(text);
    if (op === '|~' || op === '!~') return regexOf(text).test(line);
    return matchesLinePattern(line, text);
  });
  return isMatch === op.startsWith('|');
}

/**
 * Each literal at its first place after the one before, at least one character for each wildcard, and the
 * line's end at the end.
 */
function matchesLinePattern(line: string, pattern: string): boolean {
  const [head, ...tails] = pattern.split('<_>');
  const start = line.indexOf(head);
  if (start < 0) return false;
  let remainder = line.slice(start + head.length);
  for (const [i, tail] of tails.entries()) {
    const isLast = i === tails.length - 1;
    const gap = isLast && tail === '' ? remainder.length : remainder.indexOf(tail);
    if (gap < 1) return false;
    remainder = remainder.slice(gap + tail.length);
  }
  return remainder === '';
}

function matches({ op, value }: Matcher, text: string): boolean {
  const isEqual = op === '=' || op === '!=' ? text === value : wholeRegexOf(value).test(text);
  return isEqual === (op === '=' || op === '=~');
}

export function passesFilter(row: PlainRow, filter: LabelFilter): boolean {
  switch (filter.kind) {
    case 'and':
      return passesFilter(row, filter.left) && passesFilter(row, filter.right);
    case 'or':
      return passesFilter(row, filter.left) || passesFilter(row, filter.right);
    case 'string': {
      const { matcher } = filter;
      return matches(matcher, matcher.name === '__error__' ? row.error : (row.get(matcher.name) ?? ''));
    }
    case 'ip': {
      const text = row.get(filter.name);
      if (row.error !== '') return true;
      return text !== undefined && hasAddress(text, filter.pattern) === (filter.op === '=');
    }
    case 'number':
      return compares(row, filter, filter.value, floatOf);
    case 'duration':
      return compares(row, filter, Number(filter.valueNs), durationNsOf);
    case 'bytes':
      return compares(row, filter, filter.valueBytes, bytesOf);
  }
}

function compares(
  row: PlainRow,
  { name, op }: { readonly name: string; readonly op: CompareOp },
  operand: number,
  read: (text: string) => number | undefined,
): boolean {
  const text = row.get(name);
  if (text === undefined) return false;
  const value = read(text);
  if (value === undefined && row.error === '') fail(row, 'LabelFilterErr');
  return value === undefined || isTrue(op, value, operand);
}

export function isTrue(op: CompareOp, a: number, b: number): boolean {
  switch (op) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
  }
}

/** Whether a stage drops a label of one of these names, and a parser may find it again. */
export function mayReturn({ stages }: LogExpr, names: readonly string[]): boolean {
  const last = stages.findLastIndex(({ kind }) => ['json', 'logfmt', 'regexp', 'pattern', 'unpack'].includes(kind)); // prettier-ignore
  const nameOf = (target: string | Matcher) => (typeof target === 'string' ? target : target.name);
  return stages.slice(0, last + 1).some((stage) => {
    if (stage.kind === 'drop') return stage.targets.some((target) => names.includes(nameOf(target)));
    if (stage.kind === 'keep') return names.some((name) => !stage.targets.includes(name));
    return stage.kind === 'labelFormat' && stage.formats.some((format) => 'rename' in format && names.includes(format.rename)); // prettier-ignore
  });
}

/** Metric queries leave out line formats whose text is not read, and their errors. */
export function withoutIdleFormats(log: LogExpr): LogExpr {
  const lastReader = log.stages.findLastIndex(readsLine);
  return { ...log, stages: log.stages.filter(({ kind }, i) => kind !== 'lineFormat' || i < lastReader) };
}

function readsLine(stage: Stage): boolean {
  if (stage.kind === 'labelFormat') {
    return stage.formats.some((format) => 'template' in format && format.template.includes('__line__'));
  }
  return ['lineFilter', 'json', 'logfmt', 'regexp', 'pattern', 'unpack'].includes(stage.kind);
}

function isMeant(target: string | Matcher, name: string, value: string): boolean {
  return typeof target === 'string' ? target === name : target.name === name && matches(target, value);
}

function drop(row: PlainRow, target: string | Matcher): void {
  const name = typeof target === 'string' ? target : target.name;
  if (name === '__error__') {
    if (isMeant(target, name, row.error)) row.error = '';
  } else if (name === '__error_details__') throw new Unsure('details of errors');
  else {
    const value = row.get(name);
    if (value !== undefined && isMeant(target, name, value)) row.drop(name);
  }
}

function formatLabels(row: PlainRow, formats: Extract<Stage, { kind: 'labelFormat' }>['formats']): void {
  let before: ReadonlyMap<string, string> | undefined;
  for (const format of formats) {
    if ('rename' in format) {
      const value = row.get(format.rename);
      if (value === undefined) continue;
      row.drop(format.rename);
      row.set(format.label, value);
      continue;
    }
    before ??= row.labels();
    const text = executed(row, format.template, 'label', before);
    if (text !== undefined) row.set(format.label, text);
  }
}

const templates = {
  line: memoized((text) => compileTemplate(text, { name: 'line' })),
  label: memoized((text) => compileTemplate(text, { name: 'label' })),
};

/** The text of a template; undefined: it failed, and the row has the error. */
function executed(
  row: PlainRow,
  template: string,
  name: 'line' | 'label',
  labels: ReadonlyMap<string, string>,
): string | undefined {
  if (/\b(now|__error_details__)\b/.test(template)) throw new Unsure('a template that asks for the time');
  if (row.error !== '' && /[\s({]\.[\s)}|]/.test(template)) throw new Unsure('details of errors');
  const all = new Map(labels);
  if (row.error !== '') all.set('__error__', row.error);
  try {
    return templates[name](template).execute({
      get: (label) => all.get(label),
      line: () => row.line,
      timestampNs: row.timestampNs,
      nowNs: () => 0n,
      all: () => all,
    });
  } catch (error) {
    if (!(error instanceof TemplateExecError)) throw error;
    fail(row, 'TemplateFormatErr');
    return undefined;
  }
}
