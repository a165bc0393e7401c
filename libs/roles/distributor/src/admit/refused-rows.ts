/** Rows that admission refused, and their error texts in Loki's words: step *limit* of a written line. */
import type { TenantId } from '@loki/model';
import { goTimeText, rfc3339Seconds } from '../json/time-text.ts';
import type { DiscardReason } from '../streams/discard.ts';

/** Rows of one stream in a push, offered for admission. */
export interface OfferedRows {
  readonly count: number;
  seconds(index: number): number;
  nanos(index: number): number;
  lineBytes(index: number): number;
  /** Called for each row that is not admitted. */
  refuse(index: number, reason: DiscardReason): void;
}

/** The client's error when some rows were refused. */
export interface AdmissionProblem {
  readonly status: 400 | 429;
  readonly text: string;
  /** Time until a refused share would be admitted; undefined: unknown. */
  readonly retryAfterMs?: number;
}

/** The refused rows of one stream as one error. */
export class RefusedRows {
  readonly #namedMax: number;
  #text = '';
  #count = 0;
  #status: 400 | 429 = 400;
  #retryAfterMs: number | undefined;

  constructor(namedMax: number) {
    this.#namedMax = namedMax;
  }

  add(seconds: number, nanos: number, status: 400 | 429, reason: () => string): void {
    this.#count++;
    if (status === 429) this.#status = 429;
    if (this.#count <= this.#namedMax) {
      this.#text += `entry with timestamp ${goTimeText(seconds, nanos)} ignored, reason: '${reason()}',\n`;
    }
  }

  retryAfter(ms: number): void {
    this.#retryAfterMs = Math.max(this.#retryAfterMs ?? 0, ms);
  }

  problem(tenant: TenantId, stream: string, offered: number): AdmissionProblem | undefined {
    if (this.#count === 0) return undefined;
    const total = `user '${tenant}', total ignored: ${this.#count} out of ${offered} for stream: ${stream}`;
    const retry = this.#retryAfterMs === undefined ? {} : { retryAfterMs: this.#retryAfterMs };
    return { status: this.#status, text: this.#text + total, ...retry };
  }
}

export function tooFarBehindText(
  newestSeconds: number,
  newestNanos: number,
  seconds: number,
  reachNs: number,
): string {
  const oldestSeconds = Math.floor(newestSeconds + (newestNanos - reachNs) / 1e9);
  return `entry too far behind, entry timestamp is: ${rfc3339Seconds(seconds)}, oldest acceptable timestamp is: ${rfc3339Seconds(oldestSeconds)}`;
}

export function streamLimitText(stream: string, tenant: TenantId): string {
  return `maximum active stream limit exceeded when trying to create stream ${stream}, reduce the number of active streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: '${tenant}'`;
}

export function streamRateText(rate: number, stream: string, bytes: number): string {
  return `Per stream rate limit exceeded (limit: ${sizeText(rate)}/sec) while attempting to ingest for stream '${stream}' totaling ${sizeText(bytes)}, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased`;
}

/** Bytes in the largest unit that divides them: `3MB`, `17B`. */
function sizeText(bytes: number): string {
  const units = ['GB', 'MB', 'KB'];
  for (let i = 0, unit = 2 ** 30; i < units.length; i++, unit /= 1024) {
    if (bytes > 0 && bytes % unit === 0) return `${bytes / unit}${units[i]}`;
  }
  return `${bytes}B`;
}
