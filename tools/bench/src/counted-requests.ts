/** Counts requests to an object store during a benchmark. */
import type { Protocol } from '@loki/services';
import { isSegmentRead } from './store-weather.ts';

/** Requests to a bucket during one query. */
export interface StoreUse {
  readonly requests: number;
  /**
   * Length of the longest chain of requests of which each began after the answer of the one before: the
   * number of delays of the store in a row.
   */
  readonly trips: number;
  readonly bytes: number;
}

interface Exchange {
  readonly trip: number;
  /** Of the answer; undefined: its head has not come yet. */
  bytesLeft: number | undefined;
}

/** Requests for segments' bytes, over all connections of a link to a bucket. */
export class CountedRequests {
  #requests = 0;
  #bytes = 0;
  #trips = 0;

  /** Since the call before. */
  take(): StoreUse {
    const use = { requests: this.#requests, trips: this.#trips, bytes: this.#bytes };
    this.#requests = this.#bytes = this.#trips = 0;
    return use;
  }

  /** Updates of the catalog are left out: processes make them all the time, independently of queries. */
  connection(): Protocol {
    let exchange: Exchange | undefined;
    return {
      // A request without a body is written at once.
      observe: (chunk) => {
        exchange = undefined;
        if (!isSegmentRead(chunk)) return;
        this.#requests++;
        exchange = { trip: this.#trips + 1, bytesLeft: undefined };
      },
      answers: (chunk) => {
        if (exchange) this.#answer(exchange, chunk);
        return false;
      },
    };
  }

  #answer(exchange: Exchange, chunk: Buffer): void {
    this.#bytes += chunk.length;
    let body = chunk.length;
    if (exchange.bytesLeft === undefined) {
      const head = chunk.toString('latin1').split('\r\n\r\n', 1)[0];
      exchange.bytesLeft = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      body -= head.length + 4;
    }
    exchange.bytesLeft -= body;
    if (exchange.bytesLeft <= 0) this.#trips = Math.max(this.#trips, exchange.trip);
  }
}
