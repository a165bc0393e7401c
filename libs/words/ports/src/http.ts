/** HTTP requests and answers as roles see them: step *admit*. */

/** A request as handlers see it: the body is complete and bounded, and still in the client's encoding. */
export interface HttpRequest {
  readonly method: string;
  /** Decoded path without prefix or query. */
  readonly path: string;
  /** Values of the route's `:name` parts, decoded. */
  readonly params: ReadonlyMap<string, string>;
  /** Raw text after `?`. */
  readonly queryText: string;
  /** Lower-case names; several values joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Frees the body at once, for a handler that needs it no longer and has given it to no other reader. */
  freeBody?(): void;
  readonly remoteAddress: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

/** An answer to a client, with its body at once or as a stream. */
export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /**
   * Replaces `body`: pieces that are made while the client takes them. If the stream fails, the connection is
   * cut, so that the client does not take a part for the whole.
   */
  readonly stream?: AsyncIterable<Uint8Array | string>;
  /** Called once, when the body has been sent or the client has gone: its memory may be reused. */
  readonly release?: () => void;
}

/**
 * Answers one request. A thrown LokiError becomes the answer; any other error becomes a 500 and is logged.
 */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse;

/**
 * Stands before a route whose requests are many: those of one holder share places, and others are refused
 * before their bodies are read.
 */
export interface HttpGate {
  /** The tenant whose places the request takes. Errors are ignored: the handler will throw them again. */
  holderOf(request: HttpRequest): string;
  /**
   * Whether the requests of the holder that wait in this process suffice: more may as well wait before it.
   */
  isBusy(holder: string): boolean;
  /**
   * The answer to a request without a place.
   *
   * @param backlogMs time in which the requests before it would be answered; 0: unknown
   */
  refusal(request: HttpRequest, backlogMs: number): HttpResponse;
}
