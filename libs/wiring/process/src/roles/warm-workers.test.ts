/**
 * A process that is ready has the code of pushes and of queries loaded in a thread, and that code has run.
 */
import { mib } from '@loki/model';
import type { ObjectStore, Workers } from '@loki/ports';
import { InlineWorkers } from '@loki/runtime';
import { warmWorkers } from './warm-workers.ts';

test('a batch is encoded, and both kinds of queries find its lines', async () => {
  const outputs: [string, unknown][] = [];
  // All sources are bytes: nothing is read from a store.
  const env = { objectStore: undefined as unknown as ObjectStore, cache: new Map(), cacheBytesMax: mib };
  const inline = new InlineWorkers(env, { isCloning: true });
  const workers: Workers = {
    parallelism: 1,
    run: async (task, input, options) => {
      const output = await inline.run(task, input, options);
      outputs.push([task.name, output]);
      return output;
    },
    close: () => inline.close(),
  };
  await warmWorkers(workers);
  expect(outputs).toMatchObject([
    ['segment.encode', { records: [expect.any(Uint8Array)] }],
    ['engine.leaf', { kind: 'log', stats: { linesProcessed: 100 } }],
    ['engine.leaf', { kind: 'samples', stats: { linesMatched: 100 } }],
  ]);
});
