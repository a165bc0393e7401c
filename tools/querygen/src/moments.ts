/** The moments at which a metric query is evaluated. */
export interface Moments {
  readonly kind: 'log' | 'range' | 'instant';
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly stepNs: bigint;
}

/**
 * Steps of a range query stand on multiples of the step: from at or below its start to at or above its end.
 */
export function* momentsOf({ kind, startNs, endNs, stepNs }: Moments): Generator<bigint> {
  if (kind === 'instant') return yield endNs;
  const lastNs = endNs % stepNs === 0n ? endNs : endNs - (endNs % stepNs) + stepNs;
  for (let ns = startNs - (startNs % stepNs); ns <= lastNs; ns += stepNs) yield ns;
}
