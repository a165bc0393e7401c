/** Answers to failed requests, and the log lines for those that are our fault: step *respond*. */
import { LokiError } from '@loki/model';
import type { HttpResponse, Logger } from '@loki/ports';
import type { ServerMetrics } from '@loki/telemetry';
import { errorResponse } from './respond.ts';
import type { RouteMatch } from './router.ts';

interface FailuresDeps {
  readonly logger: Logger;
  readonly metrics: Pick<ServerMetrics, 'panicked'>;
}

/** Turns an error of a handler into an answer. */
export class Failures {
  readonly #deps: FailuresDeps;

  constructor(deps: FailuresDeps) {
    this.#deps = deps;
  }

  /** The answer to a handler's failure, and a log line when the fault is ours. */
  answer({ spec, label }: RouteMatch, error: unknown): HttpResponse {
    // Loki checks the tenant before the query frontend, so this error ends with a newline.
    const isBare = spec.isQuery === true && (error as LokiError | undefined)?.code !== 'noOrgId';
    if (error instanceof LokiError) {
      if (error.status >= 500 && error.code !== 'overloaded') {
        const { status, message } = error;
        this.#deps.logger.warn('request failed', { route: label, status, err: message });
      }
      return errorResponse(error, isBare);
    }
    if ((error as Error | undefined)?.name === 'AbortError') {
      return errorResponse(new LokiError('clientGone', 'the request was cancelled by the client'), isBare);
    }
    this.unforeseen('request failed unexpectedly', label, error);
    return errorResponse(error, isBare);
  }

  /** Streamed pieces failed: too late for another status, the connection is cut. */
  cutShort(url: string, error: unknown): void {
    const text = 'an answer was cut short';
    if (error instanceof LokiError) this.#deps.logger.warn(text, { err: error.message });
    else this.unforeseen(text, url, error);
  }

  /** Logs and counts an error that no code foresees. */
  unforeseen(text: string, route: string, error: unknown): void {
    this.#deps.metrics.panicked();
    this.#deps.logger.error(text, { route, err: (error as Error | undefined)?.stack ?? String(error) });
  }
}
