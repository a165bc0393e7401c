/**
 * Protects queries under memory pressure: blocks that the cache drops between two steps of a scan are read
 * again.
 */
import { Labels, parseTenantId } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { WorkerEnv } from '@loki/ports';
import { encodeSegment, RowWriter } from '@loki/segment';
import { runLeaf } from './blocks.ts';

const tenant = parseTenantId('t');
const blocks = 12;
const rowsPerBlock = 50;

test('a filtered count is whole though no block stays in the cache', async () => {
  const writer = new RowWriter(tenant);
  writer.beginRun(Labels.fromPairs([['app', 'a']]));
  for (let i = 0; i < blocks * rowsPerBlock; i++) {
    writer.addRowText(1000 + i, 0, `${i % 2 === 0 ? 'even' : 'odd'} ${'x'.repeat(80)} ${i}`);
    writer.addMetadata('id', String(i));
  }
  writer.endRun();
  const bytes = encodeSegment(writer.finish(), { kind: 'flushed', blockBytes: 90 * rowsPerBlock });
  const objectStore = new MemoryObjectStore();
  await objectStore.put('s', bytes);
  const env: WorkerEnv = { objectStore, cache: new Map(), cacheBytesMax: 1 };
  const endNs = 1_000_000_000n * BigInt(1000 + blocks * rowsPerBlock);
  const request = {
    kind: 'samples' as const,
    tenant,
    expr: 'sum(count_over_time({app="a"} |= "even" [1h]))',
    startNs: endNs,
    endNs,
    stepNs: 0n,
    seriesMax: 0,
  };
  const run = () => runLeaf(request, [{ kind: 'object', key: 's' }], env);
  for (const result of await Promise.all([run(), run(), run(), run()])) {
    if (result.kind !== 'samples') throw new Error('not samples');
    expect(result.series[0].columns[0][0]).toBe((blocks * rowsPerBlock) / 2);
  }
});
