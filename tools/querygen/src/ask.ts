/** Asks one question through a frontend or the oracle. */
import { QueryApi, QueryFrontend } from '@loki/gateway';
import { LokiError, parseTenantId } from '@loki/model';
import type { HttpRequest, HttpResponse, Logger, QuerierService, ResultsKind } from '@loki/ports';
import type { VirtualProcess } from '@loki/virtual';
import type { Answer } from './compare.ts';
import type { Happened } from './coverage.ts';
import type { Push } from './data.ts';
import type { Question } from './gen-request.ts';
import type { Route } from './routes.ts';
import { WatchedQuerier } from './watched-querier.ts';
import { baseLimits } from './world.ts';

const second = 1_000_000_000n;
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Answers that must all be the same, and how they came about. */
interface Turns {
  readonly answers: readonly Answer[];
  readonly happened: Happened;
}

/** The querier behind a frontend, and the means to let virtual time pass until an answer is there. */
interface Answering {
  readonly name: string;
  readonly querier: QuerierService;
  /** The same with a results cache; absent: there is none. */
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
  readonly #querier: WatchedQuerier;

  constructor(world: Answering, route: Route, pushes: readonly Push[]) {
    this.world = world;
    this.route = route;
    const { clock, timers, random } = world.process;
    const all = { ...baseLimits, ...route.limits };
    const querier = (route.isCached ? world.cachingQuerier : undefined) ?? world.querier;
    this.#querier = new WatchedQuerier(querier, pushes);
    const cached = route.isCached ? new Set<ResultsKind>(['results', 'instant']) : undefined;
    this.#frontend = new QueryFrontend(
      { querier: this.#querier, limits: { forTenant: () => all }, clock, timers, random, logger: silent },
      { maxConcurrent: 8, maxOutstandingPerTenant: 10_000, cached },
    );
    this.#frontend.start();
    this.#api = new QueryApi({ frontend: this.#frontend, clock, logger: silent });
  }

  get name(): string {
    return `${this.world.name}, ${this.route.name}`;
  }

  /** A cached route answers the question with an empty, a partly filled and a full cache. */
  async askInTurn(question: Question): Promise<Turns> {
    const querier = this.#querier;
    if (this.route.isCached) {
      const { startNs, endNs } = question;
      const thirdNs = (endNs - startNs) / 3n;
      await this.ask({
        ...question,
        startNs: startNs + thirdNs,
        endNs: question.kind === 'instant' ? endNs : endNs + thirdNs,
      });
    }
    querier.forget();
    const answers = [await this.ask(question)];
    if (this.route.isCached) answers.push(await this.ask(question));
    const isSplit = answers.some(({ splits }) => (splits ?? 0) > 1);
    return { answers, happened: { isSplit, isSharded: querier.isSharded, isRecalled: querier.isRecalled } };
  }

  async ask(question: Question): Promise<Answer> {
    const tenancy = { ids: question.tenants.map(parseTenantId), isMulti: question.tenants.length > 1 };
    const request = httpRequest(question);
    try {
      const work =
        question.kind === 'instant'
          ? this.#api.query(request, tenancy)
          : this.#api.queryRange(request, tenancy);
      return answerOf(await this.world.do(work));
    } catch (error) {
      if (error instanceof LokiError) {
        return { isError: true, text: `${error.code}: ${withoutSeries(error.message)}` };
      }
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
  // Seconds with a fraction may be a nanosecond off.
  if (kind === 'range') {
    params.step = stepNs % second === 0n ? String(stepNs / second) : `${stepNs / 1_000_000n}ms`;
  }
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

function answerOf({ status, body }: HttpResponse): Answer {
  const text = (body ?? '').toString();
  const end = text.lastIndexOf(',"stats":');
  if (end < 0) return { isError: status >= 300, text };
  const splits = /"splits":(\d+)/.exec(text.slice(end));
  return { isError: status >= 300, text: text.slice(0, end), splits: Number(splits?.[1]) };
}

/** The error names one of several failing rows, depending on the order of reading: any is right. */
function withoutSeries(message: string): string {
  return message.replace(/^pipeline error: '.*/s, 'pipeline error');
}
