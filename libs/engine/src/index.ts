export { asSampleLeaf, evaluate, rangeAggOf } from './root-evaluate.ts';
export type { SampleLeafExpr } from './root-evaluate.ts';
export { finalizeSeries } from './root-finalize.ts';
export { embedSampleResult, mergeSampleResults, stepCount } from './root-merge.ts';
export type { MatrixSeries, QueryOutcome, QueryParams, QueryResult, RunLeaf } from './root-types.ts';
