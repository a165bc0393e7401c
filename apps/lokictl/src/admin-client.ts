/** HTTP client of lokictl's commands, with their common flags. */
import http from 'node:http';
import https from 'node:https';
import { UsageError } from './command.ts';
import type { CommandIo, FlagSpec, ParsedArgs } from './command.ts';

/** Flags of every command that calls a running process. */
export const adminFlags: readonly FlagSpec[] = [
  {
    name: 'addr',
    value: 'URL',
    summary: 'HTTP or admin port of a process; default: $LOKI_ADDR, else http://localhost:3100',
  },
  { name: 'json', summary: 'print JSON' },
  { name: 'timeout', value: 'SECONDS', summary: 'time to wait for an answer; default 30' },
  { name: 'ca-file', value: 'FILE', summary: 'certificates to trust (PEM); default: those of the system' },
  { name: 'cert-file', value: 'FILE', summary: 'certificate of the client (PEM), with --key-file' },
  { name: 'key-file', value: 'FILE', summary: 'key of the client’s certificate (PEM)' },
  { name: 'insecure-skip-verify', summary: 'accept any certificate of the server' },
];

const defaultAddress = 'http://localhost:3100';
const answerBytesMax = 256 << 20;

interface AdminAnswer {
  readonly status: number;
  readonly text: string;
}

/** A process did not answer, or answered with an error. */
export class AdminError extends Error {
  readonly code = 'admin';
}

/** The admin routes of one running process. */
export class AdminClient {
  readonly address: string;
  readonly #timeoutMs: number;
  readonly #tls: https.RequestOptions;

  private constructor(address: string, timeoutMs: number, tls: https.RequestOptions) {
    this.address = address;
    this.#timeoutMs = timeoutMs;
    this.#tls = tls;
  }

  /** A client of every address in `--addr`, one or several separated by commas. */
  static async all({ flags }: ParsedArgs, io: CommandIo): Promise<AdminClient[]> {
    const seconds = Number(flags.get('timeout') ?? '30');
    if (!(seconds > 0)) throw new UsageError('--timeout needs a number of seconds above 0');
    const read = async (name: string) => {
      const file = flags.get(name);
      return file === undefined ? undefined : io.readFile(file);
    };
    const [ca, cert, key] = await Promise.all(['ca-file', 'cert-file', 'key-file'].map(read));
    if (!cert !== !key) throw new UsageError('--cert-file and --key-file need each other');
    const tls = { ca, cert, key, rejectUnauthorized: !flags.has('insecure-skip-verify') };
    const text = flags.get('addr') ?? (io.env('LOKI_ADDR') || defaultAddress);
    return text.split(',').map((each) => new AdminClient(addressOf(each.trim()), seconds * 1000, tls));
  }

  /** A client of the only address in `--addr`. */
  static async one(args: ParsedArgs, io: CommandIo): Promise<AdminClient> {
    const [client, ...more] = await AdminClient.all(args, io);
    if (more.length > 0) throw new UsageError('--addr takes one address here');
    return client;
  }

  /** @throws AdminError unless the answer is 200 with JSON */
  async json<T>(path: string, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    const { status, text } = await this.send('GET', path, undefined, headers);
    if (status === 404) throw new AdminError(`${this.address} has no route ${path}`);
    if (status !== 200) throw new AdminError(`${this.address}: ${path}: ${status} ${text.trim()}`);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new AdminError(`${this.address}: ${path}: the answer is not JSON`, { cause: error });
    }
  }

  /** @throws AdminError without an answer in time */
  send(
    method: string,
    path: string,
    form?: URLSearchParams,
    more: Readonly<Record<string, string>> = {},
  ): Promise<AdminAnswer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onChunk = (chunk: Buffer, response: http.IncomingMessage) => {
      bytes += chunk.length;
      if (bytes > answerBytesMax) {
        response.destroy(new Error(`the answer has more than ${answerBytesMax >> 20} MiB`));
      } else chunks.push(chunk);
    };
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const answer = this.#ask(method, path, { form, more, signal, onChunk });
    return answer.then((status) => ({ status, text: Buffer.concat(chunks).toString('utf8') }));
  }

  /**
   * Passes the answer's bytes on as they arrive. The answer may take any time, but must not be silent for
   * longer than the time-out.
   *
   * @returns the status
   * @throws AdminError when the answer breaks off
   */
  stream(
    path: string,
    headers: Readonly<Record<string, string>>,
    onChunk: (chunk: Buffer) => void,
  ): Promise<number> {
    return this.#ask('GET', path, { more: headers, silenceMs: this.#timeoutMs, onChunk });
  }

  #ask(
    method: string,
    path: string,
    exchange: {
      readonly form?: URLSearchParams;
      readonly more: Readonly<Record<string, string>>;
      readonly signal?: AbortSignal;
      /** The longest silence; absent: only `signal` ends the request. */
      readonly silenceMs?: number;
      readonly onChunk: (chunk: Buffer, response: http.IncomingMessage) => void;
    },
  ): Promise<number> {
    const { form, more, signal, silenceMs, onChunk } = exchange;
    const url = new URL(this.address + path);
    const body = form?.toString() ?? '';
    const headers = {
      accept: 'application/json',
      ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      'content-length': String(Buffer.byteLength(body)),
      ...more,
    };
    const options = {
      method,
      headers,
      signal,
      timeout: silenceMs,
      agent: false,
      ...(url.protocol === 'https:' ? this.#tls : {}),
    };
    return new Promise((resolve, reject) => {
      const fail = (error: Error & { code?: string }) => {
        const reason = signal?.aborted
          ? `no answer within ${this.#timeoutMs / 1000} s`
          : error.message || (error.code ?? 'no connection');
        reject(new AdminError(`${this.address}: ${reason}`, { cause: error }));
      };
      const { request } = url.protocol === 'https:' ? https : http;
      const sentRequest = request(url, options, (response) => {
        response.on('data', (chunk: Buffer) => onChunk(chunk, response));
        response.on('error', fail);
        response.on('end', () => resolve(response.statusCode ?? 0));
      });
      sentRequest.on('timeout', () =>
        sentRequest.destroy(new Error(`silent for ${this.#timeoutMs / 1000} s`)),
      );
      sentRequest.on('error', fail);
      sentRequest.end(body);
    });
  }
}

/** `host:port` means HTTP. */
function addressOf(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`--addr ${text} is not a URL`);
  }
  return url.href.replace(/\/+$/, '');
}
