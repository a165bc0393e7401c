/** Node's requests in the form of the routes. */
import type { IncomingMessage } from 'node:http';
import { freeMemory } from '@loki/model';
import type { HttpRequest } from '@loki/ports';

const noBody = Buffer.alloc(0);

/** Wraps a request of Node. Headers and the abort signal are created at first use. */
export class NodeRequest implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly params: ReadonlyMap<string, string>;
  readonly queryText: string;
  readonly #message: IncomingMessage;
  #body: Buffer = noBody;
  #headers: ReadonlyMap<string, string> | undefined;
  #abort: AbortController | undefined;
  #isGone = false;

  constructor(
    message: IncomingMessage,
    path: string,
    params: ReadonlyMap<string, string>,
    queryText: string,
  ) {
    this.#message = message;
    this.method = message.method ?? 'GET';
    this.path = path;
    this.params = params;
    this.queryText = queryText;
  }

  get body(): Buffer {
    return this.#body;
  }

  setBody(body: Buffer): void {
    this.#body = body;
  }

  freeBody(): void {
    freeMemory(this.#body);
    this.#body = noBody;
  }

  get headers(): ReadonlyMap<string, string> {
    this.#headers ??= headersOf(this.#message.rawHeaders);
    return this.#headers;
  }

  get remoteAddress(): string {
    return this.#message.socket.remoteAddress ?? '';
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isGone) this.#abort.abort(clientGone());
    return this.#abort.signal;
  }

  /** The client has left without waiting for the answer. */
  clientLeft(): void {
    this.#isGone = true;
    this.#abort?.abort(clientGone());
  }
}

function clientGone(): Error {
  return new DOMException('the request was cancelled by the client', 'AbortError');
}

/** Headers that describe the body: of several, the first counts. */
const firstCounts = new Set(['content-type', 'content-encoding']);

/**
 * Names in lower case. Values of a header that comes twice are joined, so that no value is ignored: two
 * tenants are no valid tenant id. Equal values are kept once.
 */
function headersOf(raw: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i].toLowerCase();
    const value = raw[i + 1];
    const earlier = headers.get(name);
    if (earlier === undefined) headers.set(name, value);
    else if (earlier !== value && !firstCounts.has(name)) headers.set(name, `${earlier}, ${value}`);
  }
  return headers;
}
