/** The port HttpClient on Node. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type https from 'node:https';
import type { HttpClient, HttpClientRequest, HttpClientResponse, HttpClientTls } from '@loki/ports';

/** Default of the returned bytes of an answer. */
const answerBytesDefault = 64 * 1024;
/** Most idle connections to one server. */
const idleSocketsMax = 4;
/** Most servers with TLS settings of their own that keep connections. */
const agentsMax = 256;

/** HTTP and HTTPS with Node's modules. Connections are kept open and shared; certificates are read once. */
export class NodeHttpClient implements HttpClient {
  // Loaded with the first client: it takes 15 MiB in each thread.
  readonly #http = process.getBuiltinModule('node:http');
  readonly #https = process.getBuiltinModule('node:https');
  readonly #plain = new this.#http.Agent({ keepAlive: true, maxFreeSockets: idleSocketsMax });
  readonly #secure = new Map<string, https.Agent>();

  async send(request: HttpClientRequest): Promise<HttpClientResponse> {
    const url = new URL(request.url);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new TypeError(`neither http nor https: ${url.protocol}`);
    }
    const deadline = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, deadline]) : deadline;
    const options = {
      method: request.method,
      headers: { ...request.headers, ...(request.body ? { 'content-length': request.body.length } : {}) },
      signal,
    };
    const outgoing =
      url.protocol === 'https:'
        ? this.#https.request(url, { ...options, agent: this.#agent(request.tls ?? {}) })
        : this.#http.request(url, { ...options, agent: this.#plain });
    try {
      const message = await new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.once('response', resolve);
        outgoing.once('error', reject);
        outgoing.end(request.body);
      });
      return await readAnswer(message, request.answerBytesMax ?? answerBytesDefault);
    } catch (error) {
      // Node's error lacks the reason of the abort.
      throw deadline.aborted
        ? new Error(`no answer within ${request.timeoutMs} ms`, { cause: error })
        : error;
    }
  }

  /** Closes connections; requests in progress are finished first. */
  close(): void {
    this.#plain.destroy();
    for (const agent of this.#secure.values()) agent.destroy();
    this.#secure.clear();
  }

  #agent(tls: HttpClientTls): https.Agent {
    const key = JSON.stringify(tls);
    const cached = this.#secure.get(key);
    if (cached) return cached;
    if (this.#secure.size >= agentsMax) {
      for (const agent of this.#secure.values()) agent.destroy();
      this.#secure.clear();
    }
    const agent = new this.#https.Agent({
      keepAlive: true,
      maxFreeSockets: idleSocketsMax,
      rejectUnauthorized: tls.insecureSkipVerify !== true,
      ...(tls.serverName ? { servername: tls.serverName } : {}),
      ...(tls.caFile ? { ca: readFileSync(tls.caFile) } : {}),
      ...(tls.certFile ? { cert: readFileSync(tls.certFile) } : {}),
      ...(tls.keyFile ? { key: readFileSync(tls.keyFile) } : {}),
    });
    this.#secure.set(key, agent);
    return agent;
  }
}

function readAnswer(message: IncomingMessage, answerBytesMax: number): Promise<HttpClientResponse> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    message.on('data', (chunk: Buffer) => {
      if (bytes < answerBytesMax) chunks.push(chunk.subarray(0, answerBytesMax - bytes));
      bytes += chunk.length;
      // An endless answer would occupy the connection until the deadline.
      if (bytes > 16 * answerBytesMax) message.destroy(new Error('the answer is too large'));
    });
    message.once('error', reject);
    message.once('end', () => {
      const headers = new Map<string, string>();
      for (const [name, value] of Object.entries(message.headers)) {
        headers.set(name, Array.isArray(value) ? value.join(', ') : (value ?? ''));
      }
      resolve({ status: message.statusCode ?? 0, headers, body: Buffer.concat(chunks) });
    });
  });
}
