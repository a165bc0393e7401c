/** The referee's metric queries, from the definitions of the language. */
import type {
  BinaryExpr,
  Grouping,
  LabelReplaceExpr,
  MetricExpr,
  RangeAggExpr,
  VectorAggExpr,
  VectorMatching,
} from '@loki/logql';
import type { StoredRow } from './data.ts';
import { rangeValue } from './referee-range.ts';
import type { LabelMap, RangeSample } from './referee-range.ts';
import { PlainRow, Unsure } from './referee-row.ts';
import { isTrue, mayReturn, passes, passesFilter, withoutIdleFormats } from './referee-stages.ts';
import { bytesOf, durationNsOf, floatOf, wholeRegexOf } from './referee-values.ts';

interface Sample {
  readonly labels: LabelMap;
  readonly value: number;
}

/** The query must be answered by an error. */
export class Refused extends Error {}

/** Computes values of expressions moment by moment, from the definitions. */
export class MetricReferee {
  readonly #rows: readonly StoredRow[];
  readonly #samples = new Map<RangeAggExpr, readonly RangeSample[]>();

  constructor(rows: readonly StoredRow[]) {
    this.#rows = rows;
  }

  at(expr: MetricExpr, timeNs: bigint): number | Sample[] {
    switch (expr.kind) {
      case 'literal':
        return expr.value;
      case 'vector':
        return [{ labels: new Map(), value: expr.value }];
      case 'rangeAgg':
        return this.#range(expr, timeNs);
      case 'vectorAgg':
        if (mayLeaveOutUnpack(expr)) throw new Unsure('bytes of lines that may not be unpacked');
        if (expr.expr.kind === 'rangeAgg') refuseReturned(expr.expr, expr.grouping);
        return aggregated(expr, this.#vector(expr.expr, timeNs));
      case 'labelReplace':
        return this.#vector(expr.expr, timeNs).map((sample) => replaced(expr, sample));
      case 'binary':
        return combined(expr, this.at(expr.left, timeNs), this.at(expr.right, timeNs));
    }
  }

  #vector(expr: MetricExpr, timeNs: bigint): Sample[] {
    const value = this.at(expr, timeNs);
    if (typeof value === 'number') throw new Unsure('a number where series are wanted');
    return value;
  }

  #range(expr: RangeAggExpr, timeNs: bigint): Sample[] {
    refuseReturned(expr, expr.grouping);
    const endNs = timeNs - expr.offsetNs;
    const startNs = endNs - expr.rangeNs;
    const groups = new Map<string, { labels: LabelMap; samples: RangeSample[] }>();
    for (const sample of this.#samplesOf(expr)) {
      if (sample.timestampNs <= startNs || sample.timestampNs > endNs) continue;
      if (sample.error !== '' && expr.op !== 'absent_over_time') throw new Refused('pipeline error');
      // No recording shows whether an empty label counts; below a vector aggregation it does not.
      if (expr.grouping?.without && [...sample.labels.values()].includes('')) {
        throw new Unsure('a range aggregation without labels, over an empty one');
      }
      const labels = expr.grouping ? grouped(sample.labels, expr.grouping) : sample.labels;
      const key = keyOf(labels);
      const group = groups.get(key) ?? { labels, samples: [] };
      groups.set(key, group);
      group.samples.push(sample);
    }
    if (expr.op === 'absent_over_time') {
      return groups.size > 0 ? [] : [{ labels: absentLabels(expr), value: 1 }];
    }
    return [...groups.values()].map(({ labels, samples }) => ({
      labels,
      value: rangeValue(expr, samples, { startNs, endNs }),
    }));
  }

  /** Samples of all rows. */
  #samplesOf(expr: RangeAggExpr): readonly RangeSample[] {
    let samples = this.#samples.get(expr);
    if (!samples) {
      samples = this.#rows.flatMap((row, age) => samplesFrom(expr, row, age));
      this.#samples.set(expr, samples);
    }
    return samples;
  }
}

function samplesFrom(
  { op, log, unwrap }: RangeAggExpr,
  { stream, row: stored }: StoredRow,
  age: number,
): RangeSample[] {
  const row = new PlainRow(stream, stored);
  const isOfBytes = op === 'bytes_over_time' || op === 'bytes_rate';
  if (!passes(row, isOfBytes ? log : withoutIdleFormats(log))) return [];
  const { timestampNs } = row;
  let value = isOfBytes ? Buffer.byteLength(row.line) : 1;
  if (unwrap) {
    const text = row.get(unwrap.label);
    if (text === undefined || text === '') return [];
    const read = unwrap.conversion === '' ? floatOf(text) : unwrap.conversion === 'bytes' ? bytesOf(text) : durationNsOf(text); // prettier-ignore
    value = read ?? 0;
    if (unwrap.conversion.startsWith('duration')) value /= 1e9;
    if (read === undefined && row.error === '') row.error = 'SampleExtractionErr';
    if (!unwrap.filters.every((filter) => passesFilter(row, filter))) return [];
    row.drop(unwrap.label);
  }
  if (row.error === '' && row.details !== '') throw new Unsure('details of an error that was dropped');
  return [{ labels: row.labels(), value, timestampNs, error: row.error, age }];
}

/** A sum that needs no label may count stored lines, as in the reference. */
function mayLeaveOutUnpack({ op, expr, grouping }: VectorAggExpr): boolean {
  if (
    op !== 'sum' ||
    expr.kind !== 'rangeAgg' ||
    (grouping && (grouping.without || grouping.labels.length > 0))
  ) {
    return false;
  }
  return expr.op.startsWith('bytes_') && expr.log.stages.some(({ kind }) => kind === 'unpack');
}

/** A grouping by name may leave out a dropped label that all labels have again. */
function refuseReturned({ log }: RangeAggExpr, grouping: Grouping | undefined): void {
  if (grouping && !grouping.without && mayReturn(log, grouping.labels)) {
    throw new Unsure('series by a label that was dropped and parsed again');
  }
}

/** Labels of an absent series: those that the selector fixes. */
function absentLabels({ log }: RangeAggExpr): LabelMap {
  const labels = new Map<string, string>();
  const names = log.matchers.map(({ name }) => name);
  for (const { name, op, value } of log.matchers) {
    if (op !== '=' || value === '') continue;
    if (names.filter((other) => other === name).length > 1) throw new Unsure('a label that is matched twice');
    labels.set(name, value);
  }
  return labels;
}

/** The labels that remain after a grouping; an empty label is none. */
function grouped(labels: LabelMap, { without, labels: names }: Grouping): LabelMap {
  return new Map([...labels].filter(([name, text]) => text !== '' && names.includes(name) !== without));
}

export function keyOf(labels: LabelMap): string {
  return JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function aggregated({ op, parameter = 0, grouping }: VectorAggExpr, samples: readonly Sample[]): Sample[] {
  if (op === 'sort' || op === 'sort_desc') return [...samples];
  const groups = new Map<string, { labels: LabelMap; samples: Sample[] }>();
  for (const sample of samples) {
    const labels = grouped(sample.labels, grouping ?? { without: false, labels: [] });
    const key = keyOf(labels);
    const group = groups.get(key) ?? { labels, samples: [] };
    groups.set(key, group);
    group.samples.push(sample);
  }
  return [...groups.values()].flatMap(({ labels, samples: of }) =>
    op === 'topk' || op === 'bottomk' || op === 'approx_topk'
      ? best(of, parameter, op === 'bottomk' ? 1 : -1)
      : [{ labels, value: reduced(op, of.map(({ value }) => value)) }],
  ); // prettier-ignore
}

function best(samples: readonly Sample[], count: number, sign: 1 | -1): Sample[] {
  const rank = (value: number) => (Number.isNaN(value) ? Infinity : sign * value);
  const sorted = samples.toSorted((a, b) => (rank(a.value) < rank(b.value) ? -1 : Number(rank(a.value) > rank(b.value)))); // prettier-ignore
  if (sorted.length > count && isClose(rank(sorted[count - 1].value), rank(sorted[count].value))) {
    throw new Unsure('equals, of which some are left out');
  }
  return sorted.slice(0, count);
}

function isClose(a: number, b: number): boolean {
  return a === b || Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}

function reduced(op: 'sum' | 'avg' | 'count' | 'max' | 'min' | 'stddev' | 'stdvar', values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const mean = sum / values.length;
  const numbers = values.filter((value) => !Number.isNaN(value));
  switch (op) {
    case 'sum':
      return sum;
    case 'avg':
      return mean;
    case 'count':
      return values.length;
    case 'max':
      return numbers.length === 0 ? NaN : Math.max(...numbers);
    case 'min':
      return numbers.length === 0 ? NaN : Math.min(...numbers);
    default: {
      if (!values.every(Number.isFinite)) throw new Unsure('how far infinities lie apart');
      const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length;
      return op === 'stddev' ? Math.sqrt(variance) : variance;
    }
  }
} // prettier-ignore

function replaced({ destination, replacement, source, pattern }: LabelReplaceExpr, sample: Sample): Sample {
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

function combined(expr: BinaryExpr, left: number | Sample[], right: number | Sample[]): number | Sample[] {
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
