/** Port: HTTP requests to other servers: Alertmanager, remote write, Grafana. */

/** A request to another server. Its address comes from the operator's configuration only. */
export interface HttpClientRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** http or https, without user name or password. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Time from the call to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly tls?: HttpClientTls;
  /**
   * Bytes of the answer that are returned; default 64 KiB. An answer of more than 16 times this size is an
   * error.
   */
  readonly answerBytesMax?: number;
}

/** TLS of a request, by paths of PEM files. */
export interface HttpClientTls {
  /** Path of a file with certificates to trust instead of the system's. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
  readonly insecureSkipVerify?: boolean;
}

/** The answer of a server, with any status. */
export interface HttpClientResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** Its first `answerBytesMax` bytes. */
  readonly body: Buffer;
}

/** Sends requests to servers that are not ours. It does not follow redirects. */
export interface HttpClient {
  /** Rejects when there is no answer in time; every status is an answer. */
  send(request: HttpClientRequest): Promise<HttpClientResponse>;
}
