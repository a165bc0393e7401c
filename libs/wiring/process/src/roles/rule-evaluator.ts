/** Evaluates expressions of rules, in this process or by remote query frontends: the story of a rule. */
import type { LimitsSource } from '@loki/config';
import { LongQueries } from '@loki/gateway';
import type { QueryFrontend } from '@loki/gateway';
import { tenantHeader } from '@loki/http';
import { parseExpr } from '@loki/logql';
import type { Expr } from '@loki/logql';
import { BoundedMap, LokiError } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';
import type { HttpRequest, HttpResponse, RouteService, Timers, Workers } from '@loki/ports';
import { tokenOf } from '@loki/ring';
import { notVectorText } from '@loki/ruler';
import type { EvaluateRule, RuleSample } from '@loki/ruler';

/** Bound on parsed expressions of rules, which are cached between evaluations. */
const parsedMax = 20_000;

/** Evaluates rules in this process, under the tenant's limits, like any other query. */
export function localEvaluator(frontend: QueryFrontend): EvaluateRule {
  const parse = ruleParser();
  return async (tenant, text, timeNs, signal) => {
    const expr = parse(text);
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
      { client: signal },
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

interface RemoteEvaluatorDeps {
  /** Remote query frontends. */
  readonly frontends: RouteService;
  readonly limits: LimitsSource;
  readonly timers: Timers;
}

/** Slightly more than the default query timeout, so that the frontend's own error arrives first. */
const remoteTimeoutMs = 90_000;

/** Evaluates rules by remote query frontends, which split, cache and shard as for any other query. */
export function remoteEvaluator({ frontends, limits, timers }: RemoteEvaluatorDeps): EvaluateRule {
  const parse = ruleParser();
  return async (tenant, text, timeNs, signal) => {
    // Refuses an expression that is no metric query with the text that the rule's health shows.
    parse(text);
    const { rulerRemoteEvaluationTimeoutMs, rulerRemoteEvaluationBytesMax: bytesMax } =
      limits.forTenant(tenant);
    const timeoutMs = rulerRemoteEvaluationTimeoutMs || remoteTimeoutMs;
    const deadline = new AbortController();
    const timer = timers.after(timeoutMs, () =>
      deadline.abort(new LokiError('timeout', `no query frontend answered within ${timeoutMs} ms`)),
    );
    try {
      const callSignal = AbortSignal.any([signal, deadline.signal]);
      const response = await frontends.call('query', queryRequest(tenant, text, timeNs, callSignal));
      const body = Buffer.from(response.body ?? '');
      if (bytesMax > 0 && body.length > bytesMax) {
        throw new LokiError(
          'badRequest',
          `response of ${body.length} bytes is larger than allowed: ${bytesMax}`,
        );
      }
      return samplesOf(response, body.toString('utf8'));
    } finally {
      timer.cancel();
    }
  };
}

function queryRequest(tenant: TenantId, text: string, timeNs: bigint, signal: AbortSignal): HttpRequest {
  return {
    method: 'GET',
    path: '/loki/api/v1/query',
    params: new Map(),
    queryText: new URLSearchParams({ query: text, time: String(timeNs), direction: 'forward' }).toString(),
    headers: new Map([
      [tenantHeader, tenant],
      ['accept', 'application/json'],
      ['user-agent', 'loki-ruler'],
    ]),
    body: Buffer.alloc(0),
    remoteAddress: '',
    signal,
  };
}

interface QueryAnswer {
  readonly data?: {
    readonly resultType?: unknown;
    readonly result?: unknown;
  };
}

/** The vector, or the scalar as a vector, in the answer to an instant query. */
function samplesOf({ status }: HttpResponse, text: string): RuleSample[] {
  if (status !== 200) throw new LokiError(status < 500 ? 'badRequest' : 'unavailable', text.trim());
  let answer: QueryAnswer;
  try {
    answer = JSON.parse(text) as QueryAnswer;
  } catch (error) {
    throw new LokiError('unavailable', 'a query frontend answered no JSON', { cause: error });
  }
  const { resultType, result } = answer.data ?? {};
  if (resultType === 'scalar') return [{ labels: [], value: valueOf(result) }];
  if (resultType !== 'vector' || !Array.isArray(result)) throw new LokiError('badRequest', notVectorText);
  return result.map((sample: { metric?: Record<string, string>; value?: unknown }) => ({
    labels: labelsOf(sample.metric ?? {}),
    value: valueOf(sample.value),
  }));
}

function labelsOf(metric: Record<string, string>): LabelPair[] {
  return Object.entries(metric)
    .map(([name, value]): LabelPair => [name, String(value)])
    .sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

/** `[seconds, "text"]`, with infinities in Go's form. */
function valueOf(pair: unknown): number {
  const text: unknown = Array.isArray(pair) ? pair[1] : undefined;
  if (typeof text !== 'string') {
    throw new LokiError('unavailable', 'a query frontend answered a sample without value');
  }
  return Number(text.replace('Inf', 'Infinity'));
}

/** Reads long expressions in a worker, before they are evaluated. */
export function readFirst(evaluate: EvaluateRule, workers: Workers): EvaluateRule {
  const longQueries = new LongQueries(workers);
  return async (tenant, text, timeNs, signal) => {
    await longQueries.readTexts([text], { tenant, signal });
    return evaluate(tenant, text, timeNs, signal);
  };
}

/** Delays each rule by a constant time: rules that are due at the same moment would all query at once. */
export function withJitter(evaluate: EvaluateRule, timers: Timers, maxMs: number): EvaluateRule {
  if (maxMs <= 0) return evaluate;
  return async (tenant, text, timeNs, signal) => {
    await timers.sleep((tokenOf(`${tenant}\0${text}`) / 2 ** 32) * maxMs, signal);
    return evaluate(tenant, text, timeNs, signal);
  };
}

function ruleParser(): (text: string) => Exclude<Expr, { kind: 'log' }> {
  const parsed = new BoundedMap<string, Expr>(parsedMax);
  return (text) => {
    let expr = parsed.get(text);
    if (!expr) {
      expr = parseExpr(text);
      parsed.set(text, expr);
    }
    if (expr.kind === 'log') throw new LokiError('badRequest', notVectorText);
    return expr;
  };
}
