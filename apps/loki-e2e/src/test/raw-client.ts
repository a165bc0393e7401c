/** An HTTP client that sends exact bytes, for end-to-end tests. */
import http from 'node:http';
import { gunzipSync } from 'node:zlib';

interface RawRequest {
  readonly method?: string;
  /** With the query text, exactly as it is to be sent. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Unpacked. */
  readonly text: string;
}

/**
 * Sends what a client sends, byte for byte: unlike `fetch` it adds no header but Host, and keeps the path as
 * it is.
 */
export function sendRaw(url: string, request: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = http.request(
      {
        hostname,
        port,
        method: request.method ?? 'GET',
        path: request.path,
        headers: request.headers,
        agent: false,
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.once('error', reject);
        answer.once('end', () => {
          const bytes = Buffer.concat(chunks);
          const isPacked = answer.headers['content-encoding'] === 'gzip';
          resolve({
            status: answer.statusCode!,
            headers: answer.headers,
            text: (isPacked ? gunzipSync(bytes) : bytes).toString('utf8'),
          });
        });
      },
    );
    sent.once('error', reject);
    sent.end(request.body);
  });
}

/** A query text with Go's escaping (`url.Values.Encode`): sorted by name, spaces as `+`. */
export function goQuery(params: Readonly<Record<string, string | number | bigint>>): string {
  const names = Object.keys(params).sort();
  return names.map((name) => `${goEscaped(name)}=${goEscaped(String(params[name]))}`).join('&');
}

function goEscaped(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}
