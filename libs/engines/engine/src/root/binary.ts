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
 * `left op right`, step by step. Rows on the way are charged to the room's memory, and released at the end.
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

/** The steps of all rows, and who pays for what is made on the way. */
interface Room {
  readonly steps: number;
  readonly memory: MemoryBudget;
}

/** A value and a flag. */
const cellBytes = 9;
/** Cells between two pauses. */
const cellsPerSlice = 1 << 14;

/** Rows between two pauses. */
function rowsPerSlice(steps: number): number {
  return Math.max(1, Math.min(itemsPerSlice, Math.floor(cellsPerSlice / steps)));
}

/** One side is a number. A comparison keeps the row's value, or gives 0 and 1 under `bool`. */
function* withScalar(
  expr: BinaryExpr,
  left: MetricValue,
  right: MetricValue,
  { steps, memory }: Room,
): Work<readonly SeriesRow[]> {
  const rows = rowsOf(left.kind === 'rows' ? left : right, steps);
  const filters = comparisons.has(expr.op) && !expr.matching.returnBool;
  const make = new RowMaker(steps);
  const rest = rowsPerSlice(steps);
  const out: SeriesRow[] = [];
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    memory.charge(cellBytes * steps);
    const made = make.row(row.labels);
    for (let k = 0; k < steps; k++) {
      if (row.present[k] === 0) continue;
      const value = row.values[k];
      const result =
        left.kind === 'scalar'
          ? fold(expr.op, left.value, value)
          : fold(expr.op, value, right.kind === 'scalar' ? right.value : value);
      if (filters && result === 0) continue;
      made.present[k] = 1;
      made.values[k] = filters ? value : result;
    }
    if (hasSample(made)) out.push(made);
    if (i % rest === 0) yield;
  }
  memory.release(cellBytes * steps * rows.length);
  return out;
}

/** The labels on which rows must agree to match, and a text that equal ones share. */
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

/** Per signature: at which steps some row has a sample. */
function* presence(
  rows: readonly SeriesRow[],
  keys: readonly Signature[],
  { steps, memory }: Room,
): Work<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const make = new RowMaker(steps);
  const rest = rowsPerSlice(steps);
  for (let i = 0; i < rows.length; i++) {
    let flags = found.get(keys[i].key);
    if (!flags) {
      memory.charge(steps);
      found.set(keys[i].key, (flags = make.flags()));
    }
    const { present } = rows[i];
    for (let k = 0; k < steps; k++) flags[k] |= present[k];
    if (i % rest === 0) yield;
  }
  memory.release(steps * found.size);
  return found;
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
    const known = yield* presence(left, leftKeys, room);
    return [...left, ...(yield* maskRows(right, rightKeys, known, { wanted: 0, steps: room.steps }))];
  }
  const known = yield* presence(right, rightKeys, room);
  return yield* maskRows(left, leftKeys, known, { wanted: op === 'and' ? 1 : 0, steps: room.steps });
}

/** Rows at the steps where their signature's mask is `wanted`; no mask is a mask of zeros. */
function* maskRows(
  rows: readonly SeriesRow[],
  keys: readonly Signature[],
  masks: ReadonlyMap<string, Uint8Array>,
  { wanted, steps }: { readonly wanted: 0 | 1; readonly steps: number },
): Work<readonly SeriesRow[]> {
  const make = new RowMaker(steps);
  const rest = rowsPerSlice(steps);
  const out: SeriesRow[] = [];
  for (let i = 0; i < rows.length; i++) {
    if (i % rest === 0) yield;
    const { labels, values, present } = rows[i];
    const mask = masks.get(keys[i].key);
    if (!mask) {
      if (wanted === 0) out.push(rows[i]);
      continue;
    }
    const kept = make.flags();
    for (let k = 0; k < steps; k++) kept[k] = mask[k] === wanted ? present[k] : 0;
    out.push({ labels, values, present: kept });
  }
  return out;
}

/**
 * Arithmetic and comparison of matching rows. The "one" side is the right one, but for group_right. At no
 * step may it have two samples with one signature, nor may two results of a step have the same labels.
 */
function* matchRows(
  expr: BinaryExpr,
  left: readonly SeriesRow[],
  right: readonly SeriesRow[],
  { steps, memory }: Room,
): Work<readonly SeriesRow[]> {
  const { matching } = expr;
  const isSwapped = matching.card === 'one-to-many';
  const many = isSwapped ? right : left;
  const one = isSwapped ? left : right;
  const manyKeys = yield* signatures(many, matching);
  const oneKeys = yield* signatures(one, matching);
  const partners = yield* indexOneSide(one, oneKeys, steps, isSwapped ? 'left' : 'right');
  const filters = comparisons.has(expr.op) && !matching.returnBool;
  const make = new RowMaker(steps);
  const rest = rowsPerSlice(steps);
  const out = new Map<string, SeriesRow>();
  for (let i = 0, pairs = 0; i < many.length; i++) {
    const row = many[i];
    for (const partner of partners.get(manyKeys[i].key) ?? []) {
      if (++pairs % rest === 0) yield;
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
  const taken = new Map<string, Uint8Array>();
  const rest = rowsPerSlice(steps);
  for (let i = 0; i < rows.length; i++) {
    if (i % rest === 0) yield;
    const row = rows[i];
    const { key } = keys[i];
    const known = bySignature.get(key);
    if (!known) {
      bySignature.set(key, [row]);
      continue;
    }
    const busy = taken.get(key) ?? Uint8Array.from(known[0].present);
    taken.set(key, busy);
    for (let k = 0; k < steps; k++) {
      if (busy[k] & row.present[k]) {
        throw new LokiError(
          'badMatching',
          `found duplicate series on the ${side} hand-side;many-to-many matching not allowed: matching labels must be unique on one side`,
        );
      }
      busy[k] |= row.present[k];
    }
    known.push(row);
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

/** One-to-one: what was matched on. Grouped: the many side's labels, and those asked for of the one side. */
function resultSignature(
  many: readonly LabelPair[],
  matched: Signature,
  one: readonly LabelPair[],
  matching: VectorMatching,
): Signature {
  if (matching.card === 'one-to-one') return matched;
  if (matching.include.length === 0) return { labels: many, key: labelsKey(many) };
  const include = new Set(matching.include);
  const labels = sortLabels([...groupLabels(many, include, true), ...groupLabels(one, include, false)]);
  return { labels, key: labelsKey(labels) };
}
