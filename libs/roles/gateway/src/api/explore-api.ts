/** Routes that suggest names to search by: `/detected_labels`, `/detected_fields`, `/patterns`. */
import { collectFields, fieldsTask } from '@loki/engine';
import type { DetectedField } from '@loki/engine';
import { goJsonString } from '@loki/go';
import { parseExpr, parseMatchers, printSelector } from '@loki/logql';
import { mergePatterns } from '@loki/patterns';
import { jsonTextResponse } from '@loki/ports';
import type {
  Clock,
  HttpRequest,
  HttpResponse,
  PatternSeries,
  PatternService,
  QuerierService,
  Tenancy,
  Workers,
} from '@loki/ports';
import { groupStreams } from '../answer/encode-result.ts';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import {
  checkBlocked,
  checkEntriesLimit,
  checkLabelRange,
  checkQueryLength,
  checkSelectors,
  clampLookback,
} from '../limits/check-query-limits.ts';
import { badRequest, isUncached, Params, parseLimit, parseStep, parseTimeRange } from '../limits/params.ts';
import { detectLabels } from './detected-labels.ts';
import { streamsOfTenants, wholeDays } from './explore-streams.ts';

interface ExploreApiDeps {
  readonly frontend: QueryFrontend;
  readonly querier: QuerierService;
  /** Patterns of lines; absent when no process computes them. */
  readonly patterns?: PatternService;
  /**
   * Threads that read the fields of lines; absent in a process without workers, whose main thread reads them
   * in slices.
   */
  readonly workers?: Workers;
  readonly clock: Clock;
}

const lineLimitDefault = 100;
const fieldLimitDefault = 1000;

/** Suggests names to search by: labels, fields and patterns of lines. */
export class ExploreApi {
  readonly #deps: ExploreApiDeps;

  constructor(deps: ExploreApiDeps) {
    this.#deps = deps;
  }

  /** `/loki/api/v1/detected_labels` */
  async detectedLabels(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const params = Params.of(request);
    const range = parseTimeRange(params, this.#deps.clock.nowNs());
    const text = params.get('query');
    const matchers = text === '' ? [] : parseMatchers(text);
    const limits = this.#deps.frontend.limitsFor(tenancy, request);
    checkQueryLength(range, limits);
    // Whole days of a reversed range would be those around it.
    checkLabelRange(range, limits);
    const answers = await streamsOfTenants(
      this.#deps,
      tenancy,
      { matchers, ...wholeDays(range), group: { by: 'name', withValues: true } },
      { limits, client: request.signal, isMetadata: true },
    );
    const labels = await this.#deps.frontend.complete(
      detectLabels(answers.flatMap(({ streams }) => streams)),
      request.signal,
      tenancy,
    );
    if (labels.length === 0) return jsonTextResponse('{}');
    const items = labels.map(
      ({ label, cardinality }) => `{"label":${goJsonString(label)},"cardinality":${cardinality}}`,
    );
    return jsonTextResponse(`{"detectedLabels":[${items.join(',')}]}`);
  }

  /** `/loki/api/v1/detected_fields` */
  async detectedFields(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const { fields, limit } = await this.#fields(request, tenancy);
    if (fields.length === 0) return jsonTextResponse('{}');
    return jsonTextResponse(`{"fields":[${fields.map(fieldJson).join(',')}],"limit":${limit}}`);
  }

  /** `/loki/api/v1/detected_field/:name/values` */
  async detectedFieldValues(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const name = request.params.get('name') ?? '';
    const { fields, limit } = await this.#fields(request, tenancy, name);
    const values = fields.find(({ label }) => label === name)?.values;
    if (!values) return jsonTextResponse('{}');
    return jsonTextResponse(`{"values":[${values.map(goJsonString).join(',')}],"limit":${limit}}`);
  }

  /** `/loki/api/v1/patterns` of recent lines; empty when no process computes patterns. */
  async patterns(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const { frontend, clock, patterns: service } = this.#deps;
    const params = Params.of(request);
    const range = parseTimeRange(params, clock.nowNs());
    const stepNs = parseStep(params, range);
    const matchers = parseMatchers(params.get('query'));
    const selector = matchers.length === 0 ? '' : printSelector(matchers);
    checkQueryLength(range, frontend.limitsFor(tenancy, request));
    const answers = service
      ? await frontend.withDeadline(tenancy, request.signal, (signal) =>
          Promise.all(
            tenancy.ids.map((tenant) => service.patterns({ tenant, selector, ...range, stepNs }, signal)),
          ),
        )
      : [];
    const items = mergePatterns(answers).map(patternJson);
    return jsonTextResponse(`{"status":"success","data":[${items.join(',')}]}`);
  }

  /** Fields of the newest lines of the query; with values for the field `valuesOf`. */
  async #fields(
    request: HttpRequest,
    tenancy: Tenancy,
    valuesOf?: string,
  ): Promise<{ fields: readonly DetectedField[]; limit: number }> {
    const { frontend, clock } = this.#deps;
    const params = Params.of(request);
    const nowNs = clock.nowNs();
    const range = parseTimeRange(params, nowNs);
    const lineLimit = parseLimit(params, lineLimitDefault, 'line_limit');
    const limitName = params.get('field_limit') === '' ? 'limit' : 'field_limit';
    const limit = parseLimit(params, fieldLimitDefault, limitName);
    const text = params.get('query');
    const expr = parseExpr(text);
    if (expr.kind !== 'log') throw badRequest('only log selector is supported');
    const limits = frontend.limitsFor(tenancy, request);
    checkQueryLength(range, limits);
    checkEntriesLimit(lineLimit, limits);
    checkBlocked(expr, text, limits, request.headers.get('x-query-tags'));
    checkSelectors(expr, limits);
    const clamped = clampLookback(range, limits, nowNs);
    if (!clamped) return { fields: [], limit };
    const answer = await frontend.query(
      tenancy,
      expr,
      {
        tenant: tenancy.ids[0],
        ...clamped,
        stepNs: 0n,
        isInstant: false,
        direction: 'backward',
        limit: lineLimit,
        intervalNs: 0n,
        seriesMax: limits.maxQuerySeries,
      },
      {
        client: request.signal,
        limits,
        noCache: isUncached(request),
        actor: frontend.actorOf(request),
      },
    );
    if (answer.result.type !== 'streams') return { fields: [], limit };
    const { labelSets, labelSet, lineEnds, lines } = answer.result.rows;
    const streams = await frontend.complete(
      groupStreams(answer.result.rows, 'categorized'),
      request.signal,
      tenancy,
    );
    const order = Uint32Array.from(streams.flatMap(({ rows }) => rows));
    const input = {
      labelSets,
      labelSet,
      lineEnds,
      lines,
      order,
      fieldsMax: limit,
      valuesOf,
      valuesMax: limit,
    };
    const fields = this.#deps.workers
      ? await frontend.withDeadline(
          tenancy,
          request.signal,
          (signal) => this.#deps.workers!.run(fieldsTask, input, { signal, tenant: tenancy.ids[0] }),
          limits,
        )
      : await frontend.complete(collectFields(input), request.signal, tenancy);
    return { fields, limit };
  }
}

function fieldJson(field: DetectedField): string {
  const parsers = field.parsers.length === 0 ? 'null' : `[${field.parsers.map(goJsonString).join(',')}]`;
  const path = field.jsonPath ? `,"jsonPath":[${field.jsonPath.map(goJsonString).join(',')}]` : '';
  return (
    `{"label":${goJsonString(field.label)},"type":"${field.type}",` +
    `"cardinality":${field.cardinality},"parsers":${parsers}${path}}`
  );
}

function patternJson({ pattern, level, samples }: PatternSeries): string {
  return `{"pattern":${goJsonString(pattern)},"level":${goJsonString(level)},"samples":${JSON.stringify(samples)}}`;
}
