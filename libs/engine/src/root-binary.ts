import type { BinaryExpr, BinaryOp, VectorMatching } from '@loki/logql';
import { fold } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { MemoryBudget } from './memory-budget.ts';
import { groupLabels, hasSample, labelsKey, newRow, sortLabels } from './root-rows.ts';
import type { Row, Value } from './root-rows.ts';

const comparisons: ReadonlySet<BinaryOp> = new Set<BinaryOp>(['==', '!=', '>', '>=', '<', '<=']);

/** `left op right`, step by step. What it takes on the way is charged to `memory`, and released at the end. */
export function combineValues(
  expr: BinaryExpr,
  left: Value,
  right: Value,
  steps: number,
  memory: MemoryBudget,
): Value {
  if (left.kind === 'scalar' && right.kind === 'scalar') {
    return { kind: 'scalar', value: fold(expr.op, left.value, right.value) };
  }
  if (left.kind === 'rows' && right.kind === 'rows') {
    const isSet = expr.op === 'and' || expr.op === 'or' || expr.op === 'unless';
    const rows = isSet
      ? combineSets(expr, left.rows, right.rows, steps)
      : matchRows(expr, left.rows, right.rows, steps, memory);
    return { kind: 'rows', rows: rows.filter(hasSample) };
  }
  const rows = left.kind === 'rows' ? left.rows : (right as { rows: readonly Row[] }).rows;
  return { kind: 'rows', rows: rows.map((row) => withScalar(expr, row, left, right)).filter(hasSample) };
}

/** One side is a number. A comparison keeps the row's value, or gives 0 and 1 under `bool`. */
function withScalar(expr: BinaryExpr, row: Row, left: Value, right: Value): Row {
  const steps = row.values.length;
  const out = newRow(row.labels, steps);
  const filters = comparisons.has(expr.op) && !expr.matching.returnBool;
  for (let k = 0; k < steps; k++) {
    if (row.present[k] === 0) continue;
    const value = row.values[k];
    const result = fold(
      expr.op,
      left.kind === 'scalar' ? left.value : value,
      right.kind === 'scalar' ? right.value : value,
    );
    if (filters && result === 0) continue;
    out.present[k] = 1;
    out.values[k] = filters ? value : result;
  }
  return out;
}

/** Keys of what two rows must agree on to match. */
function signatures(rows: readonly Row[], matching: VectorMatching): string[] {
  const names = new Set(matching.labels);
  return rows.map((row) => labelsKey(groupLabels(row.labels, names, !matching.on)));
}

/** Per signature: at which steps some row has a sample. */
function presence(rows: readonly Row[], keys: readonly string[], steps: number): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  rows.forEach((row, i) => {
    let steps_ = found.get(keys[i]);
    if (!steps_) found.set(keys[i], (steps_ = new Uint8Array(steps)));
    for (let k = 0; k < steps; k++) steps_[k] |= row.present[k];
  });
  return found;
}

function combineSets(
  { op, matching }: BinaryExpr,
  left: readonly Row[],
  right: readonly Row[],
  steps: number,
): readonly Row[] {
  const leftKeys = signatures(left, matching);
  const rightKeys = signatures(right, matching);
  if (op === 'or') {
    const known = presence(left, leftKeys, steps);
    return [...left, ...right.map((row, i) => masked(row, known.get(rightKeys[i]), 0))];
  }
  const known = presence(right, rightKeys, steps);
  return left.map((row, i) => masked(row, known.get(leftKeys[i]), op === 'and' ? 1 : 0));
}

/** The row at the steps where `mask` is `wanted`; no mask is a mask of zeros. */
function masked(row: Row, mask: Uint8Array | undefined, wanted: 0 | 1): Row {
  if (!mask && wanted === 0) return row;
  const present = new Uint8Array(row.present.length);
  if (mask) for (let k = 0; k < present.length; k++) present[k] = mask[k] === wanted ? row.present[k] : 0;
  return { labels: row.labels, values: row.values, present };
}

/**
 * Arithmetic and comparison of matching rows. The "one" side is the right one, but for group_right. At no step may
 * it have two samples with one signature, nor may two results of a step have the same labels.
 */
function matchRows(
  expr: BinaryExpr,
  left: readonly Row[],
  right: readonly Row[],
  steps: number,
  memory: MemoryBudget,
): readonly Row[] {
  const { matching } = expr;
  const isSwapped = matching.card === 'one-to-many';
  const many = isSwapped ? right : left;
  const one = isSwapped ? left : right;
  const partners = indexOneSide(one, signatures(one, matching), steps, isSwapped ? 'left' : 'right');
  const filters = comparisons.has(expr.op) && !matching.returnBool;
  const out = new Map<string, Row>();
  const manyKeys = signatures(many, matching);
  const rowBytes = steps * 9;
  many.forEach((row, i) => {
    for (const partner of partners.get(manyKeys[i]) ?? []) {
      const labels = resultLabels(row.labels, partner.labels, matching);
      const key = labelsKey(labels);
      for (let k = 0; k < steps; k++) {
        if ((row.present[k] & partner.present[k]) === 0) continue;
        const [a, b] = isSwapped ? [partner.values[k], row.values[k]] : [row.values[k], partner.values[k]];
        const result = fold(expr.op, a, b);
        if (filters && result === 0) continue;
        let target = out.get(key);
        if (!target) {
          memory.charge(rowBytes);
          out.set(key, (target = newRow(labels, steps)));
        }
        if (target.present[k] === 1) throw ambiguous(matching);
        target.present[k] = 1;
        target.values[k] = filters ? a : result;
      }
    }
  });
  memory.release(out.size * rowBytes);
  return [...out.values()];
}

function indexOneSide(
  rows: readonly Row[],
  keys: readonly string[],
  steps: number,
  side: 'left' | 'right',
): Map<string, Row[]> {
  const bySignature = new Map<string, Row[]>();
  const taken = new Map<string, Uint8Array>();
  rows.forEach((row, i) => {
    const known = bySignature.get(keys[i]);
    if (!known) {
      bySignature.set(keys[i], [row]);
      return;
    }
    const busy = taken.get(keys[i]) ?? Uint8Array.from(known[0].present);
    taken.set(keys[i], busy);
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
  });
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
function resultLabels(
  many: readonly LabelPair[],
  one: readonly LabelPair[],
  matching: VectorMatching,
): readonly LabelPair[] {
  if (matching.card === 'one-to-one') return groupLabels(many, new Set(matching.labels), !matching.on);
  if (matching.include.length === 0) return many;
  const include = new Set(matching.include);
  return sortLabels([...groupLabels(many, include, true), ...groupLabels(one, include, false)]);
}
