/** The entry of the thread that reads overrides files; everything is loaded behind the compile cache. */
import { enableCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { OverridesBatch } from '@loki/config';
import type { OverridesMessage, OverridesThreadInput } from './overrides-thread.ts';

enableCompileCache();
const { ConfigError, readOverrides } = await import('@loki/config');
const { limitSyntaxChecks } = await import('./roles/limit-syntax-checks.ts');

const { request, batchesTaken } = workerData as OverridesThreadInput;
const takenCount = new Int32Array(batchesTaken);
let batchesSent = 0;

const send = (message: OverridesMessage, transfer: ArrayBuffer[] = []) =>
  parentPort!.postMessage(message, transfer);

function sendBatch(batch: OverridesBatch): void {
  Atomics.wait(takenCount, 0, batchesSent - 1);
  send({ kind: 'batch', batch });
  batchesSent++;
}

try {
  const summary = readOverrides(request, sendBatch, limitSyntaxChecks);
  send({ kind: 'read', summary }, summary.memo ? [summary.memo.buffer] : []);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  send({ kind: 'fault', text: error.message });
}
