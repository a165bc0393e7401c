/** Follows a query by WebSocket for the canary. */
import { readFileSync } from 'node:fs';
import WebSocket from 'ws';
import type { Follow } from '@loki/canary';

interface FollowOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: {
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly insecureSkipVerify: boolean;
  };
}

/** One frame of a tail may hold many lines. */
const frameBytesMax = 16 << 20;
const handshakeTimeoutMs = 10_000;
/** Loki pings each connection now and then; a connection that is silent for this long is dead. */
const silenceMs = 180_000;

/** Follows queries at `/loki/api/v1/tail`. */
export function followTail({ address, headers, tls }: FollowOptions): Follow {
  const read = (file: string): string | undefined => (file === '' ? undefined : readFileSync(file, 'utf8'));
  const options: WebSocket.ClientOptions = {
    headers: { ...headers },
    maxPayload: frameBytesMax,
    handshakeTimeout: handshakeTimeoutMs,
    ...(tls
      ? {
          ca: read(tls.caFile),
          cert: read(tls.certFile),
          key: read(tls.keyFile),
          rejectUnauthorized: !tls.insecureSkipVerify,
        }
      : {}),
  };
  return (query, on, signal) =>
    new Promise((resolve, reject) => {
      const search = new URLSearchParams({ query, limit: '1000' }).toString();
      const url = `${address.replace(/^http/, 'ws')}/loki/api/v1/tail?${search}`;
      const socket = new WebSocket(url, options);
      const onAbort = (): void => socket.terminate();
      signal.addEventListener('abort', onAbort, { once: true });
      let silence = setTimeout(onAbort, silenceMs);
      const resetSilence = (): void => {
        clearTimeout(silence);
        silence = setTimeout(onAbort, silenceMs);
      };
      socket.on('ping', () => {
        resetSilence();
        on.ping();
      });
      socket.on('message', (data: Buffer) => {
        resetSilence();
        for (const line of linesOf(data.toString())) on.line(line);
      });
      let failure: Error | undefined;
      socket.once('error', (error) => (failure = error));
      socket.once('close', () => {
        clearTimeout(silence);
        signal.removeEventListener('abort', onAbort);
        if (failure) reject(failure);
        else resolve();
      });
    });
}

function linesOf(text: string): string[] {
  const frame = JSON.parse(text) as { streams?: { values: [string, string][] }[] | null };
  return (frame.streams ?? []).flatMap(({ values }) => values.map(([, line]) => line));
}
