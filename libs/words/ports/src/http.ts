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
 * Asked before the body of a request is read: an answer refuses the request. Errors are ignored: the handler
 * will throw them again.
 */
export type HttpGate = (request: HttpRequest) => HttpResponse | undefined;
