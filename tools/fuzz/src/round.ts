/** One round of a target in a thread of its own, which is ended when an input does not return. */
import { Worker } from 'node:worker_threads';
import type { FailedInput } from '@loki/test-tools';
import type { WorkerAnswer, WorkerInput } from './worker.ts';

export interface RoundAnswer {
  readonly inputs: number;
  readonly outcomes: number;
  readonly cpuMsMost: number;
  readonly failures: readonly (Omit<FailedInput, 'input' | 'finding'> & {
    readonly finding: { readonly kind: string; readonly text: string; readonly stack?: string };
    /** Undefined: the input never returned; its seed and count make it again. */
    readonly smallest?: Uint8Array;
  })[];
}

/** No input takes this long, however busy the machine is. */
const hangMs = 20_000;
const tickMs = 250;
/** Memory of a thread: beyond it the present input is a finding. */
const heapMb = 1024;

export function runRound(input: Omit<WorkerInput, 'progress'>): Promise<RoundAnswer> {
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: { ...input, progress } satisfies WorkerInput,
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  });
  return new Promise((resolve) => {
    const reportLoss = (text: string): void => {
      clearInterval(watch);
      const count = Atomics.load(progress, 0);
      const failure = { target: input.target, seed: input.seed, count, finding: { kind: 'lost', text } };
      resolve({ inputs: count, outcomes: 0, cpuMsMost: hangMs, failures: [failure] });
    };
    let lastProgress = '';
    let ticks = 0;
    // Ticks, not times: a process that is stopped and continues later does not count as a hang.
    const watch = setInterval(() => {
      const now = `${progress[0]}/${progress[1]}`;
      ticks = now === lastProgress ? ticks + 1 : 0;
      lastProgress = now;
      // A busy machine loads the code slowly, and making an input small runs it thousands of times.
      const isSlow = progress[0] === 0 || progress[1] > 0;
      if (ticks * tickMs < (isSlow ? 10 * hangMs : hangMs)) return;
      clearInterval(watch);
      void worker.terminate().then(() => reportLoss(`no answer within ${hangMs} ms`));
    }, tickMs);
    worker.once('message', (answer: WorkerAnswer) => {
      clearInterval(watch);
      resolve(answer);
    });
    worker.once('error', (error) => reportLoss(`the thread ended: ${String(error)}`));
  });
}
