/** Measures the service that another tenant gets during an attack. */
import { Worker } from 'node:worker_threads';
import type { Probes } from './judge.ts';

interface Watched {
  readonly times: Probes;
  readonly failures: readonly string[];
}

/** Sends the other tenant's requests, from now on until `end`. */
export class Watch {
  readonly #worker: Worker;

  constructor(port: number, everyMs = 50, areLabelsAsked = false) {
    const workerData = { port, everyMs, areLabelsAsked };
    this.#worker = new Worker(new URL('watch.ts', import.meta.url), { workerData });
  }

  end(): Promise<Watched> {
    return new Promise((resolve, reject) => {
      this.#worker.once('message', resolve);
      this.#worker.once('error', reject);
      this.#worker.postMessage('end');
    });
  }
}
