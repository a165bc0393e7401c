/** Routes that evaluate LogQL: steps *admit* and *respond* of a query. */
import type { Limits } from '@loki/config';
import { resultBytes } from '@loki/engine';
import type { QueryParams, Work } from '@loki/engine';
import { goJsonString } from '@loki/go';
import { parseExpr } from '@loki/logql';
import { jsonTextResponse } from '@loki/ports';
import type { Clock, HttpRequest, HttpResponse, Logger, Tenancy, Workers } from '@loki/ports';
import type { QueryMetrics } from '@loki/telemetry';
import { encodeLegacy } from '../answer/encode-legacy.ts';
import { encodeData } from '../answer/encode-result.ts';
import { JsonWriter } from '../answer/json-writer.ts';
import {
  firstSeries,
  isForTooManySeries,
  partialWarning,
  takesPartialSeries,
} from '../answer/partial-series.ts';
import { cutWarnings } from '../answer/query-warnings.ts';
import { writtenResponse } from '../answer/respond.ts';
import { cacheNameOf, entriesOf, lokiStats } from '../answer/stats.ts';
import type { Answer } from '../frontend/frontend-options.ts';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import {
  checkBlocked,
  checkEntriesLimit,
  checkQueryLength,
  checkRanges,
  checkSelectors,
  clampLookback,
} from '../limits/check-query-limits.ts';
import {
  Params,
  badRequest,
  isUncached,
  parseDirection,
  parseInterval,
  parseLimit,
  parseStep,
  parseTime,
  parseTimeRange,
} from '../limits/params.ts';
import { formatQuery } from './long-queries.ts';
import { reportFailure, reportQuery } from './query-log.ts';
import type { AskedQuery } from './query-log.ts';
import { alignToStep, encodingOf, withLineRegex } from './range-params.ts';

interface QueryApiDeps {
  readonly frontend: QueryFrontend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly queryMetrics?: QueryMetrics;
  /** Aligns steps to multiples of the step, also for queries that are not split. */
  readonly alignsWithStep?: boolean;
  /** Threads that format long queries; absent: the main thread. */
  readonly workers?: Workers;
}

interface WarnedAnswer extends Answer {
  readonly warnings?: readonly string[];
}

interface AnswerParts {
  readonly before: string;
  readonly members: (out: JsonWriter) => Work<void>;
  readonly after: string;
}

/** Routes that evaluate LogQL. */
export class QueryApi {
  readonly #deps: QueryApiDeps;
  readonly #frontend: QueryFrontend;
  readonly #clock: Clock;

  constructor(deps: QueryApiDeps) {
    this.#deps = deps;
    this.#frontend = deps.frontend;
    this.#clock = deps.clock;
  }

  /** `/loki/api/v1/query_range` */
  async queryRange(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const params = Params.of(request);
    const answer = await this.#range(params, tenancy, request, '');
    const limits = this.#limits(tenancy, request);
    const cuts = cutWarnings(params, answer.result, limits, this.#clock.nowNs());
    return this.#respond({ ...answer, warnings: [...(answer.warnings ?? []), ...cuts] }, request);
  }

  /** `/loki/api/v1/query` */
  async query(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const params = Params.of(request);
    const timeText = params.get('time');
    const timeNs = timeText === '' ? this.#clock.nowNs() : parseTime(timeText);
    const limit = parseLimit(params);
    const direction = parseDirection(params);
    const text = params.get('query');
    const expr = parseExpr(text);
    if (expr.kind === 'log') {
      throw badRequest(
        'log queries are not supported as an instant query type, please change your query to a range query type',
      );
    }
    const limits = this.#limits(tenancy, request);
    checkBlocked(expr, text, limits, request.headers.get('x-query-tags'));
    checkRanges(expr, limits);
    this.#checkWhole(request, limits);
    const answer = await this.#ask({ tenancy, text, expr }, request, {
      tenant: tenancy.ids[0],
      startNs: timeNs,
      endNs: timeNs,
      stepNs: 0n,
      isInstant: true,
      direction,
      limit,
      intervalNs: 0n,
      seriesMax: limits.maxQuerySeries,
    });
    return this.#respond(answer, request);
  }

  /** `/api/prom/query`: log queries only, in the answer shape of Loki's first versions. */
  async legacyQuery(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const params = Params.of(request);
    const answer = await this.#range(params, tenancy, request, params.get('regexp'));
    if (answer.result.type !== 'streams') {
      throw badRequest(
        'rpc error: code = Code(400) desc = legacy endpoints only support streams result type',
      );
    }
    const { rows } = answer.result;
    const stats = JSON.stringify(this.#stats(answer));
    return this.#written(answer, request, {
      before: '{',
      members: (out) => encodeLegacy(rows, out),
      after: `,"stats":${stats}}`,
    });
  }

  /** `/loki/api/v1/format_query`: needs no tenant, and looks at the grammar only. */
  async formatQuery(request: HttpRequest): Promise<HttpResponse> {
    const outcome = await formatQuery(request, this.#deps.workers);
    return 'text' in outcome
      ? jsonTextResponse(`{"status":"success","data":${goJsonString(outcome.text)}}`)
      : jsonTextResponse(`{"status":"invalid-query","error":${goJsonString(outcome.fault)}}`, 400);
  }

  /** @param lineRegex a further regular expression that lines must match, '' for none */
  async #range(
    params: Params,
    tenancy: Tenancy,
    request: HttpRequest,
    lineRegex: string,
  ): Promise<WarnedAnswer> {
    const nowNs = this.#clock.nowNs();
    const range = parseTimeRange(params, nowNs);
    if (range.endNs < range.startNs) {
      throw badRequest('end timestamp must not be before or equal to start time');
    }
    const limit = parseLimit(params);
    const direction = parseDirection(params);
    const stepNs = parseStep(params, range);
    const intervalNs = parseInterval(params);
    const text = params.get('query');
    const expr = lineRegex === '' ? parseExpr(text) : withLineRegex(text, lineRegex);
    const limits = this.#limits(tenancy, request);
    checkQueryLength(range, limits);
    if (expr.kind === 'log') checkEntriesLimit(limit, limits);
    checkBlocked(expr, text, limits, request.headers.get('x-query-tags'));
    checkSelectors(expr, limits);
    checkRanges(expr, limits);
    this.#checkWhole(request, limits);
    const clamped = clampLookback(range, limits, nowNs) ?? { startNs: range.endNs, endNs: range.endNs };
    const { startNs, endNs } =
      expr.kind !== 'log' && (limits.splitQueriesByIntervalMs > 0 || this.#deps.alignsWithStep === true)
        ? alignToStep(clamped, stepNs)
        : clamped;
    return this.#ask({ tenancy, text, expr }, request, {
      tenant: tenancy.ids[0],
      startNs,
      endNs,
      stepNs,
      isInstant: false,
      direction,
      limit,
      intervalNs,
      seriesMax: limits.maxQuerySeries,
    });
  }

  /** Runs a checked query. For clients that accept partial series, repeats it without the limit on series. */
  async #ask(
    query: Pick<AskedQuery, 'tenancy' | 'text' | 'expr'>,
    request: HttpRequest,
    params: QueryParams,
  ): Promise<WarnedAnswer> {
    const { seriesMax } = params;
    try {
      return await this.#askOnce(query, request, params);
    } catch (error) {
      const tags = request.headers.get('x-query-tags') ?? '';
      if (!takesPartialSeries(tags) || !isForTooManySeries(error, seriesMax)) throw error;
      const answer = await this.#askOnce(query, request, { ...params, seriesMax: 0 });
      const result = firstSeries(answer.result, seriesMax);
      return { ...answer, result, warnings: [partialWarning(seriesMax)] };
    }
  }

  #limits(tenancy: Tenancy, request: HttpRequest): Limits {
    return this.#frontend.limitsFor(tenancy, request);
  }

  /** The limits of the query that the request is a part of. */
  #checkWhole(request: HttpRequest, limits: Limits): void {
    const wholeQuery = this.#frontend.wholeQueryOf(request);
    if (!wholeQuery) return;
    checkQueryLength(wholeQuery, limits);
    checkSelectors(wholeQuery.expr, limits);
    checkRanges(wholeQuery.expr, limits);
  }

  /** Runs a checked query, counts it and logs it. */
  async #askOnce(
    query: Pick<AskedQuery, 'tenancy' | 'text' | 'expr'>,
    request: HttpRequest,
    params: QueryParams,
  ): Promise<Answer> {
    const { logger, queryMetrics } = this.#deps;
    const startedMs = this.#clock.monotonicMs();
    const report = {
      ...query,
      ...params,
      tags: request.headers.get('x-query-tags') ?? '',
      userAgent: request.headers.get('user-agent') ?? '',
      disablesWrappers: request.headers.get('x-loki-disable-pipeline-wrappers')?.toLowerCase() === 'true',
    };
    queryMetrics?.started();
    try {
      const answer = await this.#frontend.query(query.tenancy, query.expr, params, {
        client: request.signal,
        noCache: isUncached(request),
        limits: this.#limits(query.tenancy, request),
        whole: this.#frontend.wholeQueryOf(request),
        actor: this.#frontend.actorOf(request),
      });
      reportQuery(report, answer, { logger, metrics: queryMetrics, nowNs: this.#clock.nowNs() });
      return answer;
    } catch (error) {
      reportFailure(report, error, (this.#clock.monotonicMs() - startedMs) / 1000, {
        logger,
        metrics: queryMetrics,
      });
      throw error;
    }
  }

  async #respond(answer: WarnedAnswer, request: HttpRequest): Promise<HttpResponse> {
    const { warnings = [], result } = answer;
    const warningsJson = warnings.length > 0 ? `"warnings":[${warnings.map(goJsonString).join(',')}],` : '';
    return this.#written(answer, request, {
      before: `{"status":"success",${warningsJson}"data":{`,
      members: (out) => encodeData(result, encodingOf(request), out),
      after: `,"stats":${JSON.stringify(this.#stats(answer))}}}`,
    });
  }

  /** Writes the answer in slices; its memory is charged until the client has received it. */
  async #written({ result }: Answer, request: HttpRequest, parts: AnswerParts): Promise<HttpResponse> {
    const memory = this.#frontend.openAnswer();
    try {
      const rows = result.type === 'streams' ? resultBytes(result.rows) : undefined;
      const rowBytes = rows ? await this.#frontend.complete(rows, request.signal) : 0;
      memory.charge(rowBytes);
      const out = new JsonWriter(memory);
      out.json(parts.before);
      await this.#frontend.complete(parts.members(out), request.signal);
      out.json(parts.after);
      memory.release(rowBytes);
      return writtenResponse(out, () => memory.close());
    } catch (error) {
      memory.close();
      throw error;
    }
  }

  #stats(answer: Answer): object {
    const { result } = answer;
    return lokiStats(answer.stats, {
      execSeconds: answer.execSeconds,
      queueSeconds: answer.queueSeconds,
      splits: answer.splits,
      shards: answer.parts,
      entriesReturned: entriesOf(result),
      cache: cacheNameOf(result),
    });
  }
}
