/** The referee's metric queries, from the definitions of the language. */
import type { Grouping, MetricExpr, RangeAggExpr, VectorAggExpr } from '@loki/logql';
import type { StoredRow } from './data.ts';
import { Refused, aggregated, grouped, keyOf } from './referee-aggregate.ts';
import type { Sample } from './referee-aggregate.ts';
import { combined, replaced } from './referee-binary.ts';
import { rangeValue } from './referee-range.ts';
import type { LabelMap, RangeSample } from './referee-range.ts';
import { PlainRow, Unsure } from './referee-row.ts';
import { mayReturn, passes, passesFilter, withoutIdleFormats } from './referee-stages.ts';
import { bytesOf, durationNsOf, floatOf } from './referee-values.ts';

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
