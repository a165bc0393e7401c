/** A thread for one target: it may be ended when an input never returns, or takes all memory. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadHash } from '@loki/model';
import { fuzz, minimise } from '@loki/test-tools';
import type { FailedInput } from '@loki/test-tools';
import { findTargets } from './find-targets.ts';

export interface WorkerInput {
  readonly target: string;
  readonly seed: number;
  readonly count: number;
  readonly untilMs: number;
  readonly isShrinking: boolean;
  /** Cell 0: inputs begun. */
  readonly progress: Int32Array;
}

export interface WorkerAnswer {
  readonly inputs: number;
  readonly outcomes: number;
  readonly cpuMsMost: number;
  readonly failures: readonly (FailedInput & { readonly smallest: Uint8Array })[];
}

const { target: name, seed, count, untilMs, isShrinking, progress } = workerData as WorkerInput;

// Messages of errors distinguish outcomes; their stacks would cost more than the decoders.
Error.stackTraceLimit = 6;
await loadHash();
const { targets } = await findTargets();
const target = targets.find((each) => each.name === name)!;
const round = await fuzz(target, {
  seed,
  count,
  onInput: (at) => void Atomics.store(progress, 0, at),
  isOver: () => Date.now() > untilMs,
});
const failures: WorkerAnswer['failures'][number][] = [];
for (const failure of round.failures) {
  Atomics.add(progress, 1, 1);
  const smallest = isShrinking ? await minimise(target, failure.input) : failure.input;
  failures.push({ ...failure, smallest });
}
parentPort!.postMessage({ ...round, failures } satisfies WorkerAnswer);
