import type { QueryFrontend } from '@loki/gateway';
import { parseExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { Expr } from '@loki/logql';
import { notVectorText } from '@loki/ruler';
import type { EvaluateRule } from '@loki/ruler';

/** Expressions of rules, parsed once: they come again at each evaluation. */
const parsedMax = 10_000;

/** Evaluates rules by this process' own query path, under the tenant's limits as any other query. */
export function ruleEvaluator(frontend: QueryFrontend): EvaluateRule {
  const parsed = new Map<string, Expr>();
  return async (tenant, text, timeNs, signal) => {
    let expr = parsed.get(text);
    if (!expr) {
      expr = parseExpr(text);
      if (parsed.size >= parsedMax) parsed.clear();
      parsed.set(text, expr);
    }
    if (expr.kind === 'log') throw new LokiError('badRequest', notVectorText);
    const tenancy = { ids: [tenant], isMulti: false };
    const { result } = await frontend.query(
      tenancy,
      expr,
      {
        tenant,
        startNs: timeNs,
        endNs: timeNs,
        stepNs: 0n,
        isInstant: true,
        direction: 'forward',
        limit: 0,
        intervalNs: 0n,
        seriesMax: frontend.limitsFor(tenancy).maxQuerySeries,
      },
      signal,
    );
    switch (result.type) {
      case 'vector':
        return result.samples;
      case 'scalar':
        return [{ labels: [], value: result.value }];
      default:
        throw new LokiError('badRequest', notVectorText);
    }
  };
}
