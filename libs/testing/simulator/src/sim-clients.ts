/** Simulated clients: pushes, queries, and how their answers are read. */
import { Labels, LokiError, parseTenantId } from '@loki/model';
import type { HttpRequest, LogLeafRequest, LogLeafResult } from '@loki/ports';
import type { VirtualProcess } from '@loki/virtual';
import type { LedgerEntry } from './ledger.ts';
import { metadataText } from './sim-workload.ts';
import type { Push } from './sim-workload.ts';

/** The end of a call for its client. */
export type PushAnswer = 'acked' | 'unknown' | 'rejected';

/** A push in the form of HTTP. */
export function pushRequest(push: Push, signal: AbortSignal): HttpRequest {
  return {
    method: 'POST',
    path: '/loki/api/v1/push',
    params: new Map(),
    queryText: '',
    headers: new Map([['content-type', 'application/json']]),
    body: push.body,
    remoteAddress: '127.0.0.1',
    signal,
  };
}

/**
 * 2xx: stored. 4xx of a single entry: absent. Any other answer, a partly refused push too: unknown, and the
 * client repeats it.
 */
export function answerOf(status: number, push: Push): PushAnswer {
  if (status >= 200 && status < 300) return 'acked';
  if (status === 429) return 'unknown';
  return status >= 400 && status < 500 && push.entries.length === 1 ? 'rejected' : 'unknown';
}

/** A call over a network: its answer, or `timeout` when none came in time, also from a dead process. */
export function calling<T>(client: VirtualProcess, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onTimeout = () => reject(new LokiError('timeout', 'no answer in time'));
    const timer = client.after(timeoutMs, 'client timeout', onTimeout);
    work()
      .finally(() => timer.cancel())
      .then(resolve, reject);
  });
}

/** Errors that a query may return during faults. Any other error is a finding. */
const excuses = new Set(['unavailable', 'timeout', 'corrupt', 'overloaded', 'notFound', 'clientGone']);

export function isExcused(error: unknown): boolean {
  return error instanceof LokiError && excuses.has(error.code);
}

export function everythingOf(tenant: string, direction: 'forward' | 'backward'): LogLeafRequest {
  return {
    kind: 'log',
    tenant: parseTenantId(tenant),
    expr: '{app=~".+"}',
    startNs: 0n,
    endNs: 1n << 62n,
    direction,
    limit: 0,
  };
}

/** The rows of an answer, in its order. */
export function entriesOf(tenant: string, result: LogLeafResult): LedgerEntry[] {
  const lines = Buffer.from(result.lines.buffer, result.lines.byteOffset, result.lines.length);
  const labels = result.labelSets.map((set) => ({
    stream: Labels.fromPairs(set.stream).toString(),
    metadata: metadataText(set.structuredMetadata),
  }));
  return Array.from(result.timestampNs, (timestampNs, row) => ({
    tenant,
    ...labels[result.labelSet[row]],
    timestampNs,
    line: lines.toString('utf8', row === 0 ? 0 : result.lineEnds[row - 1], result.lineEnds[row]),
  }));
}

/** Whether timestamps are monotonic. */
export function isInOrder(entries: readonly LedgerEntry[], direction: 'forward' | 'backward'): boolean {
  const sign = direction === 'forward' ? 1n : -1n;
  return entries.every(
    (entry, i) => i === 0 || (entry.timestampNs - entries[i - 1].timestampNs) * sign >= 0n,
  );
}

export function isDiskError(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['EIO', 'ENOSPC', 'ENOENT'].includes(String(error.code))
  );
}

/** Virtual time in which a process without faults must settle. */
export const settleMs = 60_000;

/**
 * Asks until there is an answer: slow answers from the end of the faults delay a partition for some seconds.
 */
export async function settledAnswer<T>(
  judge: VirtualProcess,
  scheduler: { readonly nowMs: number },
  ask: () => Promise<T>,
): Promise<T> {
  const untilMs = scheduler.nowMs + settleMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isExcused(error) || scheduler.nowMs > untilMs) throw error;
      await judge.timers.sleep(500);
    }
  }
}
