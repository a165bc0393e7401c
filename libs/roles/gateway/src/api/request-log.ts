/**
 * Log lines about slow or all requests to the query API (`log_queries_longer_than`, `query_stats_enabled`).
 */
import { formatGoDuration } from '@loki/go';
import type { Clock, HttpHandler, HttpRequest, HttpResponse, LogFields, Logger } from '@loki/ports';
import { Params } from '../limits/params.ts';
import { clean } from './query-log.ts';

export interface RequestLogOptions {
  /** `frontend.log_queries_longer_than`; 0: none, negative: all. */
  readonly slowerThanMs: number;
  /** `frontend.query_stats_enabled`: a line for each request. */
  readonly statsEnabled: boolean;
  /** `frontend.log_query_request_headers`: names of request headers that both lines show. */
  readonly headers: readonly string[];
}

/** Bounds on the number and length of logged parameters: clients cannot cause endless lines. */
const paramsMax = 32;
const paramLengthMax = 4096;

/**
 * Log lines about whole requests to the query API, besides the line of each query: client, parameters and
 * answer. Names are those that operators of Loki grep for.
 */
export class RequestLog {
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  readonly #options: RequestLogOptions;

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }, options: RequestLogOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Wraps the handler so that its requests are logged; returns it unchanged if logging is off. */
  watch(handler: HttpHandler): HttpHandler {
    if (this.#options.slowerThanMs === 0 && !this.#options.statsEnabled) return handler;
    return async (request) => {
      const startedMs = this.#deps.clock.monotonicMs();
      let response: HttpResponse;
      try {
        response = await handler(request);
      } catch (error) {
        const status = (error as { status?: unknown } | undefined)?.status;
        this.#report(request, startedMs, { status: typeof status === 'number' ? status : 500, bytes: 0 });
        throw error;
      }
      const { status, body = '', stream } = response;
      if (stream) return { ...response, stream: this.#counted(stream, request, startedMs, status) };
      this.#report(request, startedMs, { status, bytes: sizeOf(body) });
      return response;
    };
  }

  /** Counts the bytes of a streamed answer, and logs after its last piece. */
  async *#counted(
    stream: AsyncIterable<Uint8Array | string>,
    request: HttpRequest,
    startedMs: number,
    status: number,
  ): AsyncGenerator<Uint8Array | string> {
    let bytes = 0;
    try {
      for await (const piece of stream) {
        bytes += sizeOf(piece);
        yield piece;
      }
    } finally {
      this.#report(request, startedMs, { status, bytes });
    }
  }

  #report(request: HttpRequest, startedMs: number, answer: { status: number; bytes: number }): void {
    const { clock, logger } = this.#deps;
    const { slowerThanMs, statsEnabled } = this.#options;
    const tookMs = clock.monotonicMs() - startedMs;
    const took = formatGoDuration(BigInt(Math.round(tookMs * 1e6)));
    const fields = { ...paramFields(request), ...this.#headerFields(request) };
    if (slowerThanMs < 0 || (slowerThanMs > 0 && tookMs > slowerThanMs)) {
      logger.info('slow query detected', {
        component: 'frontend',
        method: request.method,
        host: clean(request.headers.get('host') ?? ''),
        path: clean(request.path),
        time_taken: took,
        status_code: answer.status,
        ...fields,
      });
    }
    if (!statsEnabled) return;
    logger.info('query stats', {
      component: 'query-frontend',
      method: request.method,
      path: clean(request.path),
      user_agent: clean(request.headers.get('user-agent') ?? ''),
      status_code: answer.status,
      response_time: took,
      response_size_bytes: answer.bytes,
      ...fields,
    });
  }

  #headerFields({ headers }: HttpRequest): LogFields {
    const fields: Record<string, unknown> = {};
    for (const name of this.#options.headers) {
      const value = headers.get(name.toLowerCase());
      if (value !== undefined) fields[`header_${name.toLowerCase().replaceAll('-', '_')}`] = clean(value);
    }
    return fields;
  }
}

function paramFields(request: HttpRequest): LogFields {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of readable(request)?.first(paramsMax) ?? []) {
    fields[`param_${name.slice(0, 64).replace(/[^a-zA-Z0-9_]/g, '_')}`] = value.slice(0, paramLengthMax);
  }
  return fields;
}

/** Undefined for malformed parameters: the request was refused because of them. */
function readable(request: HttpRequest): Params | undefined {
  try {
    return Params.of(request);
  } catch {
    return undefined;
  }
}

function sizeOf(body: Uint8Array | string): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
}
