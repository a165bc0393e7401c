/**
 * Decides which expressions leaves compute; the root computes all others from their states. Step *plan* of a
 * query.
 */
import type { MetricExpr, RangeAggExpr, VectorAggExpr } from '@loki/logql';

/** The operation of a sample leaf: a range aggregation, or one under an additive vector aggregation. */
export type SampleLeafExpr = RangeAggExpr | (VectorAggExpr & { readonly expr: RangeAggExpr });

/** The range aggregation of a sample leaf: the leaf itself, or the operand of its vector aggregation. */
export function rangeAggOf(leaf: SampleLeafExpr): RangeAggExpr {
  return leaf.kind === 'rangeAgg' ? leaf : leaf.expr;
}

/** The expression as a leaf; undefined when it cannot be computed beside the data from states that merge. */
export function asSampleLeaf(expr: MetricExpr): SampleLeafExpr | undefined {
  if (expr.kind === 'rangeAgg') return expr;
  if (expr.kind !== 'vectorAgg' || expr.expr.kind !== 'rangeAgg') return undefined;
  const inner = expr.expr;
  return !inner.grouping && pushes(expr.op, inner.op) ? { ...expr, expr: inner } : undefined;
}

function pushes(vectorOp: VectorAggExpr['op'], rangeOp: RangeAggExpr['op']): boolean {
  if (vectorOp === 'min') return rangeOp === 'min_over_time';
  if (vectorOp === 'max') return rangeOp === 'max_over_time';
  if (vectorOp !== 'sum') return false;
  const additive = ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'sum_over_time'];
  return additive.includes(rangeOp);
}
