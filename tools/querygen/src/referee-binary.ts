/** The referee's binary operations, from the definitions of the language. */
import type { BinaryExpr, LabelReplaceExpr, VectorMatching } from '@loki/logql';
import { Refused, grouped, keyOf } from './referee-aggregate.ts';
import type { Sample } from './referee-aggregate.ts';
import type { LabelMap } from './referee-range.ts';
import { Unsure } from './referee-row.ts';
import { isTrue } from './referee-stages.ts';
import { wholeRegexOf } from './referee-values.ts';

export function replaced(
  { destination, replacement, source, pattern }: LabelReplaceExpr,
  sample: Sample,
): Sample {
  const match = wholeRegexOf(pattern).exec(sample.labels.get(source) ?? '');
  if (!match) return sample;
  const text = replacement.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, plain?: string) => {
    const name = braced ?? plain!;
    return (/^\d+$/.test(name) ? match[Number(name)] : match.groups?.[name]) ?? '';
  });
  const labels = new Map(sample.labels);
  if (text === '') labels.delete(destination);
  else labels.set(destination, text);
  return { labels, value: sample.value };
}

export function combined(expr: BinaryExpr, left: number | Sample[], right: number | Sample[]): number | Sample[] {
  const { op, matching } = expr;
  if (op === 'and' || op === 'or' || op === 'unless') return setOf(op, matching, vectorOf(left), vectorOf(right));
  if (typeof left === 'number' && typeof right === 'number') throw new Unsure('two numbers');
  if (typeof left === 'number' || typeof right === 'number') {
    const vector = vectorOf(typeof left === 'number' ? right : left);
    return vector.flatMap(({ labels, value }) => {
      const [a, b] = [typeof left === 'number' ? left : value, typeof right === 'number' ? right : value];
      const result = computed(expr, a, b, value);
      return result === undefined ? [] : [{ labels, value: result }];
    });
  }
  return matched(expr, left, right);
} // prettier-ignore

function vectorOf(value: number | Sample[]): Sample[] {
  if (typeof value === 'number') throw new Unsure('a number where series are wanted');
  return value;
}

/** Undefined: a comparison that does not hold. */
function computed({ op, matching }: BinaryExpr, a: number, b: number, operand: number): number | undefined {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return b === 0 ? NaN : a / b;
    case '%':
      return b === 0 ? NaN : a % b;
    case '^':
      return a === 1 || b === 0 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
    case 'and':
    case 'or':
    case 'unless':
      throw new Unsure('sets');
    default:
      return matching.returnBool ? Number(isTrue(op, a, b)) : isTrue(op, a, b) ? operand : undefined;
  }
}

function signature(labels: LabelMap, { on, labels: names }: VectorMatching): string {
  return keyOf(grouped(labels, { without: !on, labels: names }));
}

function setOf(op: 'and' | 'or' | 'unless', matching: VectorMatching, left: Sample[], right: Sample[]): Sample[] {
  const keys = (samples: Sample[]) => new Set(samples.map(({ labels }) => signature(labels, matching)));
  if (op === 'or') {
    const leftKeys = keys(left);
    return [...left, ...right.filter(({ labels }) => !leftKeys.has(signature(labels, matching)))];
  }
  const others = keys(right);
  return left.filter(({ labels }) => others.has(signature(labels, matching)) === (op === 'and'));
} // prettier-ignore

function matched(expr: BinaryExpr, left: Sample[], right: Sample[]): Sample[] {
  const { matching } = expr;
  const isSwapped = matching.card === 'one-to-many';
  const [manySide, one] = isSwapped ? [right, left] : [left, right];
  const partners = new Map<string, Sample>();
  for (const sample of one) {
    const key = signature(sample.labels, matching);
    if (partners.has(key)) throw new Refused('many-to-many');
    partners.set(key, sample);
  }
  const resultKeys = new Set<string>();
  return manySide.flatMap((sample) => {
    const partner = partners.get(signature(sample.labels, matching));
    if (!partner) return [];
    const [a, b] = isSwapped ? [partner.value, sample.value] : [sample.value, partner.value];
    const value = computed(expr, a, b, a);
    if (value === undefined) return [];
    const labels = resultLabels(sample.labels, partner.labels, matching);
    if (resultKeys.has(keyOf(labels))) throw new Refused('many-to-one');
    resultKeys.add(keyOf(labels));
    return [{ labels, value }];
  });
}

function resultLabels(
  manyLabels: LabelMap,
  one: LabelMap,
  { card, on, labels, include }: VectorMatching,
): LabelMap {
  if (card === 'one-to-one') return grouped(manyLabels, { without: !on, labels });
  const all = new Map(manyLabels);
  for (const name of include) {
    const value = one.get(name);
    if (value === undefined) all.delete(name);
    else all.set(name, value);
  }
  return all;
}
