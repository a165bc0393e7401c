/** Starts a worker thread before the process is ready: no client waits for a thread that loads its code. */
import { leafTask } from '@loki/engine';
import { Labels, mib } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Workers } from '@loki/ports';
import { encodeRecordsTask, RowWriter } from '@loki/segment';

const tenant = 'warm' as TenantId;
const selection = '{app="warm"} |= "line"';

/**
 * Encodes a small batch and reads it by two queries: 0.14 s of CPU with the start of the thread, and 25 MiB
 * of which 10 stay. The first push and the first query of a client would wait for it otherwise. Other threads
 * start when one is not enough.
 */
export async function warmWorkers(workers: Workers): Promise<void> {
  const { records } = await workers.run(encodeRecordsTask, { sections: sample(), bytesMax: mib });
  const sources = records.map((bytes) => ({ kind: 'bytes' as const, bytes }));
  const range = { tenant, startNs: 0n, endNs: 10n ** 9n };
  await workers.run(leafTask, {
    request: { ...range, kind: 'log', expr: selection, direction: 'backward', limit: 10 },
    sources,
  });
  const expr = `sum by (app) (count_over_time(${selection}[1s]))`;
  await workers.run(leafTask, {
    request: { ...range, kind: 'samples', expr, stepNs: 10n ** 9n, seriesMax: 10 },
    sources,
  });
}

function sample() {
  const writer = new RowWriter(tenant);
  writer.beginRun(Labels.fromPairs([['app', 'warm']]));
  for (let nanos = 0; nanos < 100; nanos++) {
    writer.addRowText(0, nanos, `{"level":"info","message":"line ${nanos}"}`);
    writer.addMetadata('trace_id', String(nanos));
  }
  writer.endRun();
  return writer.finish();
}
