import type { Limits } from '@loki/config';
import { QueryApi, QueryFrontend } from '@loki/gateway';
import { LokiError, parseTenantId } from '@loki/model';
import type { HttpRequest, HttpResponse, Logger, QuerierService, ResultsKind } from '@loki/ports';
import type { VirtualProcess } from '@loki/testkit';
import type { DataSet } from './data.ts';
import type { Question } from './gen-request.ts';
import { baseLimits } from './world.ts';

/** A way for a question through the frontend and the queriers. */
export interface Route {
  readonly name: string;
  readonly limits: Partial<Limits>;
  readonly isCached: boolean;
}

/** About what a block of these data holds, so that nearly everything stored is cut. */
const cutBytes = 300;
/** Intervals that the time of all rows is cut into, more or less. */
const intervals = 9;

/** All ways to ask about data of such a length. The first is the plain one; all align steps alike, as splitting is on. */
export function routesFor({ startNs, endNs }: Pick<DataSet, 'startNs' | 'endNs'>): Route[] {
  const splitMs = Math.ceil(Number(endNs - startNs) / 1e6 / intervals / 1000) * 1000;
  const byTime: Partial<Limits> = {
    tsdbMaxBytesPerShard: cutBytes,
    tsdbMaxQueryParallelism: 1,
    splitQueriesByIntervalMs: splitMs,
    splitInstantMetricQueriesByIntervalMs: splitMs,
  };
  const byStream: Partial<Limits> = {
    tsdbMaxBytesPerShard: cutBytes,
    tsdbMaxQueryParallelism: 8,
    tsdbShardingStrategy: 'bounded',
    // No border that these data have.
    splitQueriesByIntervalMs: 1e11,
    splitInstantMetricQueriesByIntervalMs: 0,
  };
  return [
    { name: 'whole', limits: {}, isCached: false },
    { name: 'cut by time', limits: byTime, isCached: false },
    { name: 'cut by stream', limits: byStream, isCached: false },
    { name: 'cached', limits: { splitQueriesByIntervalMs: splitMs }, isCached: true },
    { name: 'cut both ways and cached', limits: { ...byTime, tsdbMaxQueryParallelism: 8 }, isCached: true },
  ];
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** What a client is told: the answer without its statistics, or the error. */
export interface Told {
  readonly isError: boolean;
  readonly text: string;
}

/** Whom a frontend asks, and how to let things happen until an answer is there. */
export interface Answering {
  readonly name: string;
  readonly querier: QuerierService;
  /** The same with answers kept; absent: there is none. */
  readonly cachingQuerier?: QuerierService;
  readonly process: VirtualProcess;
  do<T>(work: Promise<T>): Promise<T>;
}

/** A frontend over a world, or over the oracle. */
export class Asker {
  readonly world: Answering;
  readonly route: Route;
  readonly #api: QueryApi;
  readonly #frontend: QueryFrontend;

  constructor(world: Answering, route: Route) {
    this.world = world;
    this.route = route;
    const { clock, timers } = world.process;
    const all = { ...baseLimits, ...route.limits };
    const querier = (route.isCached ? world.cachingQuerier : undefined) ?? world.querier;
    const cached = route.isCached ? new Set<ResultsKind>(['results', 'instant']) : undefined;
    this.#frontend = new QueryFrontend(
      { querier, limits: { forTenant: () => all }, clock, timers, logger: silent },
      { maxConcurrent: 8, maxOutstandingPerTenant: 10_000, cached },
    );
    this.#frontend.start();
    this.#api = new QueryApi({ frontend: this.#frontend, clock, logger: silent });
  }

  get name(): string {
    return `${this.world.name}, ${this.route.name}`;
  }

  /** Answers of a cache are asked for when it has nothing, some, and all of them. */
  async askInTurn(question: Question): Promise<Told[]> {
    if (!this.route.isCached) return [await this.ask(question)];
    const { startNs, endNs } = question;
    const thirdNs = (endNs - startNs) / 3n;
    await this.ask({
      ...question,
      startNs: startNs + thirdNs,
      endNs: question.kind === 'instant' ? endNs : endNs + thirdNs,
    });
    return [await this.ask(question), await this.ask(question)];
  }

  async ask(question: Question): Promise<Told> {
    const tenancy = { ids: question.tenants.map(parseTenantId), isMulti: question.tenants.length > 1 };
    const request = httpRequest(question);
    try {
      const work =
        question.kind === 'instant'
          ? this.#api.query(request, tenancy)
          : this.#api.queryRange(request, tenancy);
      return told(await this.world.do(work));
    } catch (error) {
      if (error instanceof LokiError)
        return { isError: true, text: `${error.code}: ${withoutSeries(error.message)}` };
      return { isError: true, text: `threw ${error instanceof Error ? error.stack : String(error)}` };
    }
  }

  stop(): void {
    this.#frontend.stop();
  }
}

function httpRequest({
  kind,
  query,
  startNs,
  endNs,
  stepNs,
  limit,
  direction,
  intervalNs,
}: Question): HttpRequest {
  const params: Record<string, string> = { query, direction, limit: String(limit) };
  if (kind === 'instant') params.time = String(endNs);
  else Object.assign(params, { start: String(startNs), end: String(endNs) });
  if (kind === 'range') params.step = `${Number(stepNs) / 1e9}`;
  if (intervalNs > 0n) params.interval = `${Number(intervalNs) / 1e9}`;
  return {
    method: 'GET',
    path: '/',
    params: new Map(),
    queryText: new URLSearchParams(params).toString(),
    headers: new Map([['x-loki-response-encoding-flags', 'categorize-labels']]),
    body: Buffer.alloc(0),
    remoteAddress: '127.0.0.1',
    signal: new AbortController().signal,
  };
}

function told({ status, body }: HttpResponse): Told {
  const text = (body ?? '').toString();
  const end = text.lastIndexOf(',"stats":');
  return { isError: status >= 300, text: end < 0 ? text : text.slice(0, end) };
}

/** Which of several failing rows an error is about depends on which is met first: any is right. */
function withoutSeries(message: string): string {
  return message.replace(/^pipeline error: '.*/s, 'pipeline error');
}
