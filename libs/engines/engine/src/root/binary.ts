/** Binary operations at the root of a query: step *merge, respond*. */
import { fold } from '@loki/logql';
import type { BinaryExpr, BinaryOp, VectorMatching } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { MemoryBudget } from '../common/memory-budget.ts';
import { labelsKey, sortLabels } from '../common/series-labels.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { groupLabels, hasSample, RowMaker, rowsOf } from './rows.ts';
import type { SeriesRow, MetricValue } from './rows.ts';

const comparisons: ReadonlySet<BinaryOp> = new Set<BinaryOp>(['==', '!=', '>', '>=', '<', '<=']);

/**
 * Computes `left op right`, step by step. Intermediate rows are charged to the room's memory and released at
 * the end.
 */
export function* combineValues(
  expr: BinaryExpr,
  left: MetricValue,
  right: MetricValue,
  room: Room,
): Work<MetricValue> {
  if (left.kind === 'scalar' && right.kind === 'scalar') {
    return { kind: 'scalar', value: fold(expr.op, left.value, right.value) };
  }
  if (left.kind === 'rows' && right.kind === 'rows') {
    const isSet = expr.op === 'and' || expr.op === 'or' || expr.op === 'unless';
    const rows = isSet
      ? yield* combineSets(expr, left.rows, right.rows, room)
      : yield* matchRows(expr, left.rows, right.rows, room);
    return { kind: 'rows', rows: rows.filter(hasSample) };
  }
  return { kind: 'rows', rows: yield* withScalar(expr, left, right, room) };
}

/** The steps of all rows, and the memory budget. */
interface Room {
  readonly steps: number;
  readonly memory: MemoryBudget;
}

/** Bytes of a value and a flag. */
const cellBytes = 9;
/** Cells between two pauses. */
const cellsPerSlice = 1 << 14;

/** Rows between two pauses. */
function rowsPerSlice(steps: number): number {
  return Math.max(1, Math.min(itemsPerSlice, Math.floor(cellsPerSlice / steps)));
}

/** Combines rows with a number. A comparison keeps the row's value, or gives 0 and 1 under `bool`. */
function* withScalar(
  expr: BinaryExpr,
  left: MetricValue,
  right: MetricValue,
  { steps, memory }: Room,
): Work<readonly SeriesRow[]> {
  const rows = rowsOf(left.kind === 'rows' ? left : right, steps);
  const filters = comparisons.has(expr.op) && !expr.matching.returnBool;
  const make = new RowMaker(steps);
  const sliceRows = rowsPerSlice(steps);
  const out: SeriesRow[] = [];
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    memory.charge(cellBytes * steps);
    const outRow = make.row(row.labels);
    for (let k = 0; k < steps; k++) {
      if (row.present[k] === 0) continue;
      const value = row.values[k];
      const result =
        left.kind === 'scalar'
          ? fold(expr.op, left.value, value)
          : fold(expr.op, value, right.kind === 'scalar' ? right.value : value);
      if (filters && result === 0) continue;
      outRow.present[k] = 1;
      outRow.values[k] = filters ? value : result;
    }
    if (hasSample(outRow)) out.push(outRow);
    if (i % sliceRows === 0) yield;
  }
  memory.release(cellBytes * steps * rows.length);
  return out;
}

/** The labels by which rows match, with their key. */
interface Signature {
  readonly labels: readonly LabelPair[];
  readonly key: string;
}

function* signatures(rows: readonly SeriesRow[], matching: VectorMatching): Work<readonly Signature[]> {
  const names = new Set(matching.labels);
  const out: Signature[] = [];
  for (const row of rows) {
    const labels = groupLabels(row.labels, names, !matching.on);
    out.push({ labels, key: labelsKey(labels) });
    if (out.length % itemsPerSlice === 0) yield;
  }
  return out;
}

/** Per signature: a mask of the steps at which a row has a sample. */
function* presence(
  rows: readonly SeriesRow[],
  keys: readonly Signature[],
  { steps, memory }: Room,
): Work<Map<string, Uint8Array>> {
  const masks = new Map<string, Uint8Array>();
  const make = new RowMaker(steps);
  const sliceRows = rowsPerSlice(steps);
  for (let i = 0; i < rows.length; i++) {
    let flags = masks.get(keys[i].key);
    if (!flags) {
      memory.charge(steps);
      masks.set(keys[i].key, (flags = make.flags()));
    }
    const { present } = rows[i];
    for (let k = 0; k < steps; k++) flags[k] |= present[k];
    if (i % sliceRows === 0) yield;
  }
  memory.release(steps * masks.size);
  return masks;
}

function* combineSets(
  { op, matching }: BinaryExpr,
  left: readonly SeriesRow[],
  right: readonly SeriesRow[],
  room: Room,
): Work<readonly SeriesRow[]> {
  const leftKeys = yield* signatures(left, matching);
  const rightKeys = yield* signatures(right, matching);
  if (op === 'or') {
    const masks = yield* presence(left, leftKeys, room);
    return [...left, ...(yield* maskRows(right, rightKeys, masks, { maskValue: 0, steps: room.steps }))];
  }
  const masks = yield* presence(right, rightKeys, room);
  return yield* maskRows(left, leftKeys, masks, { maskValue: op === 'and' ? 1 : 0, steps: room.steps });
}

/**
 * Reduces rows to the steps at which the mask of their signature is `maskValue`; a missing mask is all zeros.
 */
function* maskRows(
  rows: readonly SeriesRow[],
  keys: readonly Signature[],
  masks: ReadonlyMap<string, Uint8Array>,
  { maskValue, steps }: { readonly maskValue: 0 | 1; readonly steps: number },
): Work<readonly SeriesRow[]> {
  const make = new RowMaker(steps);
  const sliceRows = rowsPerSlice(steps);
  const out: SeriesRow[] = [];
  for (let i = 0; i < rows.length; i++) {
    if (i % sliceRows === 0) yield;
    const { labels, values, present } = rows[i];
    const mask = masks.get(keys[i].key);
    if (!mask) {
      if (maskValue === 0) out.push(rows[i]);
      continue;
    }
    const flags = make.flags();
    for (let k = 0; k < steps; k++) flags[k] = mask[k] === maskValue ? present[k] : 0;
    out.push({ labels, values, present: flags });
  }
  return out;
}

/**
 * Arithmetic and comparison of matching rows. The "one" side is the right side, except with group_right. It
 * must not have two samples with one signature at a step, and two results of a step must not have the same
 * labels.
 */
function* matchRows(
  expr: BinaryExpr,
  left: readonly SeriesRow[],
  right: readonly SeriesRow[],
  { steps, memory }: Room,
): Work<readonly SeriesRow[]> {
  const { matching } = expr;
  const isSwapped = matching.card === 'one-to-many';
  const manyRows = isSwapped ? right : left;
  const oneRows = isSwapped ? left : right;
  const manyKeys = yield* signatures(manyRows, matching);
  const oneKeys = yield* signatures(oneRows, matching);
  const partners = yield* indexOneSide(oneRows, oneKeys, steps, isSwapped ? 'left' : 'right');
  const filters = comparisons.has(expr.op) && !matching.returnBool;
  const make = new RowMaker(steps);
  const sliceRows = rowsPerSlice(steps);
  const out = new Map<string, SeriesRow>();
  for (let i = 0, pairs = 0; i < manyRows.length; i++) {
    const row = manyRows[i];
    for (const partner of partners.get(manyKeys[i].key) ?? []) {
      if (++pairs % sliceRows === 0) yield;
      const { labels, key } = resultSignature(row.labels, manyKeys[i], partner.labels, matching);
      let target = out.get(key);
      for (let k = 0; k < steps; k++) {
        if ((row.present[k] & partner.present[k]) === 0) continue;
        const a = isSwapped ? partner.values[k] : row.values[k];
        const b = isSwapped ? row.values[k] : partner.values[k];
        const result = fold(expr.op, a, b);
        if (filters && result === 0) continue;
        if (!target) {
          memory.charge(cellBytes * steps);
          out.set(key, (target = make.row(labels)));
        }
        if (target.present[k] === 1) throw ambiguous(matching);
        target.present[k] = 1;
        target.values[k] = filters ? a : result;
      }
    }
  }
  memory.release(out.size * cellBytes * steps);
  return [...out.values()];
}

function* indexOneSide(
  rows: readonly SeriesRow[],
  keys: readonly Signature[],
  steps: number,
  side: 'left' | 'right',
): Work<Map<string, SeriesRow[]>> {
  const bySignature = new Map<string, SeriesRow[]>();
  const usedSteps = new Map<string, Uint8Array>();
  const sliceRows = rowsPerSlice(steps);
  for (let i = 0; i < rows.length; i++) {
    if (i % sliceRows === 0) yield;
    const row = rows[i];
    const { key } = keys[i];
    const equalRows = bySignature.get(key);
    if (!equalRows) {
      bySignature.set(key, [row]);
      continue;
    }
    const busy = usedSteps.get(key) ?? Uint8Array.from(equalRows[0].present);
    usedSteps.set(key, busy);
    for (let k = 0; k < steps; k++) {
      if (busy[k] & row.present[k]) {
        throw new LokiError(
          'badMatching',
          `found duplicate series on the ${side} hand-side;many-to-many matching not allowed: matching labels must be unique on one side`,
        );
      }
      busy[k] |= row.present[k];
    }
    equalRows.push(row);
  }
  return bySignature;
}

function ambiguous(matching: VectorMatching): LokiError {
  return new LokiError(
    'badMatching',
    matching.card === 'one-to-one'
      ? 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'
      : 'multiple matches for labels: grouping labels must ensure unique matches',
  );
}

/**
 * The labels of a result. One-to-one: the labels of the matching. Grouped: the labels of the "many" side with
 * the included ones of the "one" side.
 */
function resultSignature(
  manyRows: readonly LabelPair[],
  matched: Signature,
  oneRows: readonly LabelPair[],
  matching: VectorMatching,
): Signature {
  if (matching.card === 'one-to-one') return matched;
  if (matching.include.length === 0) return { labels: manyRows, key: labelsKey(manyRows) };
  const include = new Set(matching.include);
  const labels = sortLabels([
    ...groupLabels(manyRows, include, true),
    ...groupLabels(oneRows, include, false),
  ]);
  return { labels, key: labelsKey(labels) };
}
