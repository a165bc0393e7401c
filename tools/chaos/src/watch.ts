/** Records all requests of a chaos run with their outcome and time. */
import type { Told } from '@loki/canary';

type RequestKind = Told['kind'];

/** Counts of one kind of request in a stretch of time. */
export interface Stretch {
  readonly count: number;
  /** Attempts that failed first, and succeeded at a retry. */
  readonly repeated: number;
  /** Requests that failed at their retry, too. */
  readonly failed: number;
  readonly slowestMs: number;
}

/** All requests of the load and of the queries beside it, with their times and outcomes. */
export class Watch {
  #requests: Told[] = [];

  add(request: Told): void {
    this.#requests.push(request);
  }

  /** Counts of requests that ended after `sinceMs`. */
  stretch(kind: RequestKind, sinceMs: number): Stretch {
    const requests = this.#requests.filter((request) => request.kind === kind && request.endedMs >= sinceMs);
    return {
      count: requests.length,
      repeated: requests.filter(({ isOk, failures }) => isOk && failures.length > 0).length,
      failed: requests.filter(({ isOk }) => !isOk).length,
      slowestMs: Math.max(0, ...requests.map(({ beganMs, endedMs }) => endedMs - beganMs)),
    };
  }

  /** Pushes that ended in [fromMs, toMs). */
  pushes(fromMs: number, toMs: number): Told[] {
    return this.#requests.filter(
      ({ kind, endedMs }) => kind === 'push' && endedMs >= fromMs && endedMs < toMs,
    );
  }

  /** Time of the last failed attempt since `sinceMs`; undefined: none failed. */
  lastFailureMs(sinceMs: number): number | undefined {
    const failed = this.#requests.filter(
      ({ endedMs, failures }) => endedMs >= sinceMs && failures.length > 0,
    );
    return failed.length === 0 ? undefined : Math.max(...failed.map(({ endedMs }) => endedMs));
  }

  /** Requests of a kind that began after `sinceMs` and were answered at the first attempt. */
  clean(kind: RequestKind, sinceMs: number): number {
    return this.#requests.filter(
      (request) => request.kind === kind && request.beganMs >= sinceMs && request.failures.length === 0,
    ).length;
  }

  /** Requests that failed at every attempt, in words. */
  failures(kind: RequestKind, sinceMs: number): string[] {
    return this.#requests
      .filter((request) => request.kind === kind && !request.isOk && request.endedMs >= sinceMs)
      .map(({ failures }) =>
        failures
          .map(({ address, status, text }) => `${address} ${status} ${text.slice(0, 160).trim()}`)
          .join(' | '),
      );
  }

  /** Drops requests that ended before: rounds continue for hours. */
  forget(beforeMs: number): void {
    this.#requests = this.#requests.filter(({ endedMs }) => endedMs >= beforeMs);
  }
}
