import type {
  LeafRequest,
  LeafResult,
  LogLeafRequest,
  LogLeafResult,
  SampleLeafRequest,
  SampleLeafResult,
} from '@loki/ports';
import { mergeLogResults } from './merge-log.ts';
import { mergeSampleResults } from './merge-samples.ts';

/** One result from those of several places, oldest first. */
export function mergeLeafResults(request: LeafRequest, results: readonly LeafResult[]): LeafResult {
  return request.kind === 'log'
    ? mergeLogResults(request satisfies LogLeafRequest, results as readonly LogLeafResult[])
    : mergeSampleResults(request satisfies SampleLeafRequest, results as readonly SampleLeafResult[]);
}
