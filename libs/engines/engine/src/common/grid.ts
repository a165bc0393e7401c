/** The steps of a query: startNs, startNs + stepNs …, `steps` of them. */
export interface Grid {
  readonly startNs: bigint;
  readonly stepNs: bigint;
  readonly steps: number;
}
