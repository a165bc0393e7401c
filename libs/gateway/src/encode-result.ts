import type { QueryResult } from '@loki/engine';
import { compareText, Labels } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { LabelSet, LogLeafResult } from '@loki/ports';
import { jsonText } from '@loki/http';

/** How the client wants labels: merged into one map per stream, or told apart by where they came from. */
export type LabelEncoding = 'merged' | 'categorized';

/** JSON of `data` for a query's answer, without the closing brace: the caller adds `stats`. */
export function encodeData(result: QueryResult, encoding: LabelEncoding): string {
  switch (result.type) {
    case 'streams':
      return encodeStreams(result.rows, encoding);
    case 'matrix':
      return `{"resultType":"matrix","result":[${result.series.map(
        (series) =>
          `{"metric":${labelsJson(series.labels)},"values":[${series.samples.map(([ms, value]) => `[${seconds(ms)},"${sampleText(value)}"]`).join(',')}]}`,
      )}]`;
    default:
      throw new Error('unreachable');
  }
}
