/** Bodies of requests, bounded while they arrive: step *admit* of a written line. */
import type { IncomingMessage } from 'node:http';
import { freeMemory, LokiError } from '@loki/model';
import type { SharedBytes } from '@loki/model';
import type { TimerHandle, Timers } from '@loki/ports';

/** A larger body must keep arriving, because it takes room that others need. */
const freeBytes = 64 * 1024;
/** Interval of checks of a body's progress, and the least progress: 32 kbit/s. */
const rateEveryMs = 5_000;
const rateBytesMin = 20 * 1024;

/** The budget and the timers under which bodies are received. */
export interface BodyRoom {
  /** Bytes of bodies that are received or handled; each tenant has a share. */
  readonly budget: SharedBytes;
  readonly timers: Timers;
}

/** The tenant whose share a body takes: the one in the request, verified or not. */
export function holderOf({ headers }: IncomingMessage): string {
  return String(headers['x-scope-orgid'] ?? '').slice(0, holderCharsMax);
}

const holderCharsMax = 150;

/** Whether the headers announce a body. */
export function hasBody(message: IncomingMessage): boolean {
  const { headers } = message;
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

/**
 * Reads the complete body, still encoded. Memory follows the received bytes, never the announced length.
 *
 * @param room the caller must return `body.length` bytes to its budget on success, none on failure
 * @throws LokiError 413 beyond `bytesMax`, 503 beyond the budget, 408 for a large body that stops coming, 499
 *   when the client leaves
 */
export function readBody(message: IncomingMessage, bytesMax: number, room: BodyRoom): Promise<Buffer> {
  const lengthText = message.headers['content-length'];
  if (lengthText !== undefined && Number(lengthText) > bytesMax) return Promise.reject(tooLarge(bytesMax));
  const { budget, timers } = room;
  const holder = holderOf(message);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let rate: TimerHandle | undefined;
    const fail = (error: LokiError): void => {
      message.off('data', onData);
      rate?.cancel();
      budget.give(holder, bytes);
      bytes = 0;
      chunks.length = 0;
      reject(error);
    };
    const watchRate = (lastBytes: number): void => {
      rate = timers.after(rateEveryMs, () => {
        if (bytes - lastBytes < rateBytesMin) fail(stalled());
        else watchRate(bytes);
      });
    };
    const onData = (chunk: Buffer): void => {
      if (bytes + chunk.length > bytesMax) {
        fail(tooLarge(bytesMax));
      } else if (budget.take(holder, chunk.length)) {
        bytes += chunk.length;
        chunks.push(chunk);
        if (!rate && bytes > freeBytes) watchRate(bytes);
      } else {
        fail(new LokiError('overloaded', 'too many bytes in flight, try again later'));
      }
    };
    message.on('data', onData);
    message.once('end', () => {
      rate?.cancel();
      if (chunks.length === 1) return resolve(chunks[0]);
      resolve(Buffer.concat(chunks, bytes));
      for (const chunk of chunks) freeMemory(chunk);
    });
    message.once('close', () => {
      if (!message.complete) fail(new LokiError('clientGone', 'the request was cancelled by the client'));
    });
    // 'close' follows and says the same; without a listener the error would end the process.
    message.once('error', () => undefined);
  });
}

function stalled(): LokiError {
  return new LokiError(
    'bodyStalled',
    `request body stopped coming: less than ${rateBytesMin} bytes in ${rateEveryMs / 1000} s`,
  );
}

function tooLarge(bytesMax: number): LokiError {
  return new LokiError('bodyTooLarge', `request body too large, limit: ${bytesMax} bytes`);
}
