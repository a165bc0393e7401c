/** Attributes of the spans of a query and of its parts, for traces: steps *plan* and *cut* of a query. */
import { printExpr } from '@loki/logql';
import type { Expr } from '@loki/logql';
import { tenantsText } from '@loki/ports';
import type { LeafRequest, Tenancy } from '@loki/ports';
import type { SpanAttributes } from '@loki/telemetry';

/** Characters of a query's text that its span carries. */
const spanQueryCharsMax = 1024;

/** Attributes of a query's span. */
export function queryAttributes(tenancy: Tenancy, expr: Expr): SpanAttributes {
  return {
    'loki.tenant': tenantsText(tenancy),
    'loki.query': printExpr(expr).slice(0, spanQueryCharsMax),
  };
}

/** Attributes of a part's span: the stretch of time and of streams that it covers. */
export function partAttributes(request: LeafRequest): SpanAttributes {
  const { tenant, startNs, endNs, shard } = request;
  return {
    'loki.tenant': tenant,
    'loki.start': startNs.toString(),
    'loki.end': endNs.toString(),
    ...(shard ? { 'loki.shard': `${shard.index}_of_${shard.of}` } : {}),
  };
}
