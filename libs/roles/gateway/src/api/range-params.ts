/** Parameters of a range query that change the query itself: step *admit* of a query. */
import { parseExpr, queryBytesMax } from '@loki/logql';
import type { Expr } from '@loki/logql';
import type { HttpRequest } from '@loki/ports';
import type { LabelEncoding } from '../answer/encode-result.ts';
import { badRequest } from '../limits/params.ts';
import type { TimeRange } from '../limits/params.ts';

export function encodingOf(request: HttpRequest): LabelEncoding {
  const flags = request.headers.get('x-loki-response-encoding-flags') ?? '';
  return flags.split(',').some((flag) => flag.trim() === 'categorize-labels') ? 'categorized' : 'merged';
}

/** Widens a range to multiples of the step, like a query that is split by time, so that panels line up. */
export function alignToStep(range: TimeRange, stepNs: bigint): TimeRange {
  const startNs = range.startNs - (range.startNs % stepNs);
  const remainderNs = range.endNs % stepNs;
  return { startNs, endNs: remainderNs === 0n ? range.endNs : range.endNs - remainderNs + stepNs };
}

/**
 * A query of the legacy route, with the regular expression of its `regexp` parameter as a line filter.
 *
 * @throws LokiError badRequest when both together are longer than a query may be
 */
export function withLineRegex(text: string, regex: string): Expr {
  const chars = text.length + regex.length;
  if (chars > queryBytesMax) {
    throw badRequest(`parse error : input size too long (${chars} > ${queryBytesMax})`);
  }
  const expr = parseExpr(text);
  if (regex === '' || expr.kind !== 'log') return expr;
  if (!regex.isWellFormed()) throw badRequest('parse error : error parsing regexp: invalid UTF-8');
  const filter = { kind: 'lineFilter' as const, op: '|~' as const, operands: [{ text: regex, ip: false }] };
  return { ...expr, stages: [...expr.stages, filter] };
}
