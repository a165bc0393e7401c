/** Reads large overrides files in a short-lived thread: 20,000 tenants take a second or two. */
import { Worker } from 'node:worker_threads';
import { ConfigError, readOverrides } from '@loki/config';
import type { OverridesBatch, OverridesReader, OverridesRequest, OverridesSummary } from '@loki/config';
import { limitSyntaxChecks } from './roles/limit-syntax-checks.ts';

/** Characters up to which files are read in the calling thread: some 100 tenants, a few milliseconds. */
const inlineCharsMax = 16 * 1024;

export interface OverridesThreadInput {
  readonly request: OverridesRequest;
  /**
   * One number: batches that the caller has taken. The thread waits for it, so that the caller can do other
   * work between two batches.
   */
  readonly batchesTaken: SharedArrayBuffer;
}

/** Messages of the thread to its caller. */
export type OverridesMessage =
  | { readonly kind: 'batch'; readonly batch: OverridesBatch }
  | { readonly kind: 'read'; readonly summary: OverridesSummary }
  | { readonly kind: 'fault'; readonly text: string };

/** @returns a reader that blocks the caller's thread for at most one batch at a time */
export function overridesReader(inlineMax = inlineCharsMax): OverridesReader {
  return async (request, onBatch) => {
    const chars = request.files.reduce((sum, { text }) => sum + text.length, 0);
    return chars <= inlineMax
      ? readOverrides(request, onBatch, limitSyntaxChecks)
      : readInThread(request, onBatch);
  };
}

function readInThread(
  request: OverridesRequest,
  onBatch: (batch: OverridesBatch) => void,
): Promise<OverridesSummary> {
  const { promise, resolve, reject } = Promise.withResolvers<OverridesSummary>();
  const workerData: OverridesThreadInput = { request, batchesTaken: new SharedArrayBuffer(4) };
  const takenCount = new Int32Array(workerData.batchesTaken);
  const thread = new Worker(new URL('./overrides-worker.ts', import.meta.url), { workerData });
  thread.on('message', (message: OverridesMessage) => {
    if (message.kind === 'batch') {
      onBatch(message.batch);
      Atomics.add(takenCount, 0, 1);
      Atomics.notify(takenCount, 0);
    } else if (message.kind === 'read') resolve(message.summary);
    else reject(new ConfigError(message.text));
  });
  thread.on('error', (cause) => reject(new ConfigError(`read overrides: ${String(cause)}`, { cause })));
  // Without effect after an answer.
  thread.on('exit', (code) => reject(new ConfigError(`read overrides: the thread ended with code ${code}`)));
  return promise;
}
