/**
 * `/loki/api/v1/delete`: creates, lists and cancels requests to delete. Begins step *delete* of a stored day.
 */
import type { DeleteRequest, DeleteRequests } from '@loki/catalog';
import type { LimitsSource } from '@loki/config';
import { formatGoDuration, parseGoDuration } from '@loki/go';
import { parseSelection } from '@loki/logql';
import { LokiError, nsPerMs, parseForm } from '@loki/model';
import type { FormValues, TenantId } from '@loki/model';
import type { Clock, HttpRequest, HttpResponse, Random } from '@loki/ports';
import type { CompactorMetrics } from '@loki/telemetry';
import { parseDeleteTime } from './delete-time.ts';

interface DeletesApiDeps {
  readonly requests: DeleteRequests;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Pick<CompactorMetrics, 'deleteRequestReceived'>;
  readonly options: {
    /** How long a request can be cancelled; it is not carried out before. */
    readonly cancelPeriodMs: number;
    /** Longest time range of a request with filters that is carried out in one piece; 0: any. */
    readonly maxIntervalMs: number;
  };
}

/** Longer queries are refused unread. */
const partsMax = 100_000;
const idAttemptsMax = 16;

/** `/loki/api/v1/delete` and `/loki/api/v1/cache/generation_numbers`. */
export class DeletesApi {
  readonly #deps: DeletesApiDeps;

  constructor(deps: DeletesApiDeps) {
    this.#deps = deps;
  }

  /** GET lists, POST and PUT create, DELETE cancels. */
  deletes(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> | HttpResponse {
    this.#checkAllowed(tenant);
    if (request.method === 'DELETE') return this.#cancel(tenant, parseForm(request));
    if (request.method === 'POST' || request.method === 'PUT') {
      return this.#create(tenant, parseForm(request));
    }
    return this.#list(tenant);
  }

  /** A number that changes with the tenant's deletes: results caches then drop their entries. */
  async generation(tenant: TenantId): Promise<HttpResponse> {
    const { requests } = this.#deps;
    await requests.current();
    const generation = requests.state.generation(tenant);
    const body = `${JSON.stringify(generation === 0 ? '' : String(generation))}\n`;
    // Loki sends this JSON without a content type, and its server detects text.
    return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
  }

  async increaseGeneration(tenant: TenantId): Promise<HttpResponse> {
    await this.#deps.requests.increaseGeneration(tenant);
    return { status: 204 };
  }

  #checkAllowed(tenant: TenantId): void {
    if (this.#deps.limits.forTenant(tenant).deletionMode === 'disabled') {
      throw new LokiError('forbidden', 'deletion is not available for this tenant');
    }
  }

  async #create(tenant: TenantId, params: FormValues): Promise<HttpResponse> {
    const { requests, clock, metrics, options } = this.#deps;
    const query = params.get('query') ?? '';
    const hasFilters = checkQuery(query);
    const { startMs, endMs } = timesOf(params, clock.nowMs());
    const partMs = hasFilters ? partLength(params, options.maxIntervalMs) : 0;
    const parts = partMs === 0 ? 1 : Math.ceil((endMs - startMs) / partMs);
    if (parts > partsMax) throw badRequest(`max_interval is too small: it makes ${parts} requests`);
    const id = this.#newId(tenant);
    await requests.create(tenant, { id, query, startMs, endMs, parts });
    metrics.deleteRequestReceived(tenant);
    return { status: 204, headers: { 'X-Delete-Request-Id': id } };
  }

  async #list(tenant: TenantId): Promise<HttpResponse> {
    const { requests } = this.#deps;
    // The answer includes requests that another compactor has just accepted.
    await requests.current();
    return json(
      requests.state.requests(tenant).map((request) => ({
        request_id: request.id,
        start_time: request.startMs / 1000,
        end_time: request.endMs / 1000,
        query: request.query,
        status: statusOf(request),
        created_at: request.createdMs / 1000,
        user_id: '',
      })),
    );
  }

  async #cancel(tenant: TenantId, params: FormValues): Promise<HttpResponse> {
    const { requests, clock, options } = this.#deps;
    // Another process may have added the request just now.
    await requests.current();
    const request = requests.state.request(tenant, params.get('request_id') ?? '');
    if (!request) throw new LokiError('notFound', 'could not find delete request with given id');
    const isForced = params.get('force') === 'true';
    if (request.processedMs !== undefined || (request.partsDone > 0 && !isForced)) {
      throw badRequest('deletion of request which is in process or already processed is not allowed');
    }
    if (request.createdMs + options.cancelPeriodMs < clock.nowMs() && !isForced) {
      const period = formatGoDuration(BigInt(options.cancelPeriodMs) * nsPerMs);
      throw badRequest(
        `deletion of request past the deadline of ${period} since its creation is not allowed`,
      );
    }
    await requests.cancel(tenant, request.id);
    return { status: 204 };
  }

  #newId(tenant: TenantId): string {
    const { random, requests } = this.#deps;
    for (let attempt = 0; attempt < idAttemptsMax; attempt++) {
      const id = random.uint32().toString(16).padStart(8, '0');
      if (!requests.state.request(tenant, id)) return id;
    }
    throw new LokiError('internal', 'no free id for a delete request');
  }
}

/** True if the query has more than a stream selector. */
function checkQuery(query: string): boolean {
  if (query === '') throw badRequest('query not set');
  try {
    return parseSelection(query).stages.length > 0;
  } catch {
    // Loki's answer has no further details either.
    throw badRequest('invalid query expression');
  }
}

function timesOf(params: FormValues, nowMs: number): { startMs: number; endMs: number } {
  const start = params.get('start') ?? '';
  if (start === '') throw badRequest('start time not set');
  const startMs = parseDeleteTime(start);
  if (startMs === undefined) {
    throw badRequest('invalid start time: require unix seconds or RFC3339 format');
  }
  const end = params.get('end') ?? '';
  const endMs = end === '' ? nowMs : parseDeleteTime(end);
  if (endMs === undefined) throw badRequest('invalid end time: require unix seconds or RFC3339 format');
  if (endMs > nowMs) throw badRequest('deletes in the future are not allowed');
  if (startMs >= endMs) throw badRequest("start time can't be greater than or equal to end time");
  return { startMs, endMs };
}

/** Length of one part of a request with filters. */
function partLength(params: FormValues, maxIntervalMs: number): number {
  const text = params.get('max_interval') ?? '';
  if (text === '') return maxIntervalMs;
  const ns = parseGoDuration(text);
  if (ns === undefined || ns < nsPerMs) {
    throw badRequest("invalid max_interval: valid time units are 's', 'm', 'h'");
  }
  const ms = Number(ns / nsPerMs);
  if (maxIntervalMs > 0 && ms > maxIntervalMs) {
    const most = formatGoDuration(BigInt(maxIntervalMs) * nsPerMs);
    throw badRequest(`max_interval can't be greater than ${most}`);
  }
  return ms;
}

function statusOf({ parts, partsDone, processedMs }: DeleteRequest): string {
  if (processedMs !== undefined) return 'processed';
  return partsDone === 0 ? 'received' : `${Math.floor((partsDone * 100) / parts)}% Complete`;
}

function json(value: unknown): HttpResponse {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: `${JSON.stringify(value)}\n`,
  };
}

function badRequest(text: string): LokiError {
  return new LokiError('badRequest', text);
}
