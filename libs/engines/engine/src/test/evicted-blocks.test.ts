/**
 * Protects queries under memory pressure: blocks that the cache drops between two steps of a scan are read
 * again.
 */
import { createHash } from 'node:crypto';
import { Labels, parseTenantId } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { LeafRequest, WorkerEnv } from '@loki/ports';
import { encodeSegment, mergeSegments, RowWriter } from '@loki/segment';
import { runLeaf } from './blocks.ts';

const tenant = parseTenantId('t');
const blocks = 12;
const rowsPerBlock = 50;

const endNs = 1_000_000_000n * BigInt(1000 + blocks * rowsPerBlock);

async function storedRows(): Promise<MemoryObjectStore> {
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
  return objectStore;
}

test('a filtered count is whole though no block stays in the cache', async () => {
  const env: WorkerEnv = { objectStore: await storedRows(), cache: new Map(), cacheBytesMax: 1 };
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

test('scans that take turns free no lines under each other', async () => {
  const objectStore = await storedRows();
  // Each read of the store lets the other scans go on, some sooner than others.
  let reads = 0;
  const slow = new Proxy(objectStore, {
    get(store, name) {
      const member: unknown = Reflect.get(store, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        for (let turns = reads++ % 5; turns > 0; turns--) await new Promise(setImmediate);
        return (member as (...args: unknown[]) => unknown).apply(store, args);
      };
    },
  });
  const deletes = [{ expr: '{app="a"} |= "odd" |~ "7$"', startNs: 0n, endNs }];
  const requests: LeafRequest[] = [
    '|= "even"',
    '|~ "(?i)ODD.*[0-4]$"',
    '| id=~".*[13]" |= "odd"',
    '',
  ].flatMap((filter): LeafRequest[] => [
    {
      kind: 'log',
      tenant,
      expr: `{app="a"} ${filter}`,
      startNs: 0n,
      endNs,
      direction: 'backward',
      limit: 40,
    },
    { kind: 'log', tenant, expr: `{app="a"} ${filter}`, startNs: 0n, endNs, direction: 'forward', limit: 0 },
    {
      kind: 'samples',
      tenant,
      expr: `sum by (id) (bytes_over_time({app="a"} ${filter} [1h]))`,
      startNs: endNs,
      endNs,
      stepNs: 0n,
      seriesMax: 0,
    },
  ]);
  const run = async (cacheBytesMax: number) => {
    const env: WorkerEnv = { objectStore: slow, cache: new Map(), cacheBytesMax };
    const all = [...requests, ...requests].map(async (each, i) => {
      const request = i % 2 === 0 ? each : { ...each, deletes };
      const { stats: _, ...rows } = await runLeaf(request, [{ kind: 'object', key: 's' }], env);
      return rows;
    });
    return Promise.all(all);
  };
  const expected = await run(1 << 24);
  for (const cacheBytesMax of [1, 20_000]) expect(await run(cacheBytesMax)).toEqual(expected);
});

test('filters that the cache drops while others of the same scan are read still answer', async () => {
  const writer = new RowWriter(tenant);
  writer.beginRun(Labels.fromPairs([['app', 'a']]));
  const lineOf = (i: number) => `request ${i} of ${createHash('md5').update(`${i}`).digest('hex')}`;
  const rows = 6_000;
  for (let i = 0; i < rows; i++) writer.addRowText(1000 + i, 0, lineOf(i));
  writer.endRun();
  const record = encodeSegment(writer.finish(), { kind: 'record' });
  const { bytes } = mergeSegments([{ bytes: record }], { kind: 'flushed', blockBytes: 5_000 });
  const objectStore = new MemoryObjectStore();
  await objectStore.put('s', bytes);
  for (const cacheBytesMax of [1, 10_000, 30_000, 60_000, 100_000]) {
    const env: WorkerEnv = { objectStore, cache: new Map(), cacheBytesMax };
    const ask = async (row: number) => {
      const expr = `{app="a"} |= "${lineOf(row).slice(-32)}"`;
      const query = { kind: 'log', tenant, expr, startNs: 0n, direction: 'backward', limit: 10 } as const;
      const answer = await runLeaf({ ...query, endNs: 1n << 60n }, [{ kind: 'object', key: 's' }], env);
      expect(answer.stats.blocksRuledOut).toBeGreaterThan(10);
      return answer.stats.linesMatched;
    };
    for (let round = 0; round < 6; round++) {
      expect(await Promise.all([ask(round * 900), ask(5_999 - round)])).toEqual([1, 1]);
    }
  }
});
