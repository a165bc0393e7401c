/** A request as handlers see it: its body is whole and bounded, and still in the client's encoding. */
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

/** An answer on its way to a client: its body at once, or as a stream. */
export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /**
   * Instead of `body`: pieces that are made while the client takes them. When it fails the connection is cut,
   * so that nobody takes a part for the whole.
   */
  readonly stream?: AsyncIterable<Uint8Array | string>;
  /** Called once, when the body has left for the network or the client has gone: nothing holds it then. */
  readonly release?: () => void;
}

/**
 * Answers one request. A LokiError that it throws becomes the answer; any other error is a 500 and is logged.
 */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse;
