/** The time window in which the rows of a leaf lie. */
import { parseLeafText, rangeAggregationOf } from '@loki/logql';
import type { LeafRequest } from '@loki/ports';

/** startNs <= ts < endNs. */
export interface Window {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/**
 * The time range of a leaf's entries: for logs the leaf's range; for samples from the first step's window to
 * the last one's.
 */
export function leafWindow(request: LeafRequest): Window {
  if (request.kind === 'log') return { startNs: request.startNs, endNs: request.endNs };
  const leaf = rangeAggregationOf(parseLeafText(request.expr));
  // The sample at step t covers (t - offset - range, t - offset]: open below, closed above.
  return {
    startNs: request.startNs - leaf.offsetNs - leaf.rangeNs + 1n,
    endNs: request.endNs - leaf.offsetNs + 1n,
  };
}
