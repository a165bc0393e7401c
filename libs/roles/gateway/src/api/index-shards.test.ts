/**
 * Protects: for every target size the shards of a query have all of its streams, each once, without a gap.
 */
import fc from 'fast-check';
import type { Limits } from '@loki/config';
import { Labels } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { StreamsRequest, StreamVolume } from '@loki/ports';
import { clock, getRequest, logger, tenancyOf, testFrontend, TestQuerier } from '../test/gateway.ts';
import { shardStreams } from './index-shards.ts';
import { MetadataApi } from './metadata-api.ts';

function stream(app: string, lineBytes: number): StreamVolume {
  const labels: LabelPair[] = [['app', app]];
  return { labels, entries: 2, lineBytes };
}

test('every hash is in one shard, and every stream counted once, in shards of about the target', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { maxLength: 60 }),
      fc.integer({ min: 1, max: 3000 }),
      (sizes, target) => {
        const streams = sizes.map((size, i) => stream(`a${i}`, size));
        const shards = shardStreams(streams, target);
        expect(shards[0].minHash).toBe(0n);
        expect(shards.at(-1)!.maxHash).toBe((1n << 64n) - 1n);
        shards.slice(1).forEach((each, i) => expect(each.minHash).toBe(shards[i].maxHash + 1n));
        for (const { minHash, maxHash, bytes, streams: count, entries } of shards) {
          const inside = streams.filter(({ labels }) => {
            const hash = Labels.fromPairs(labels).hash();
            return hash >= minHash && hash <= maxHash;
          });
          expect(count).toBe(inside.length);
          expect(entries).toBe(2 * inside.length);
          expect(bytes).toBe(inside.reduce((sum, { lineBytes }) => sum + lineBytes, 0));
          expect(
            bytes <= target || count === 1 || inside.filter((each) => each.lineBytes > 0).length === 1,
          ).toBe(true);
        }
        // Neighbours that fit together are together.
        shards.slice(1).forEach((each, i) => {
          const first = streams
            .filter(({ labels }) => Labels.fromPairs(labels).hash() === each.minHash)
            .reduce((sum, { lineBytes }) => sum + lineBytes, 0);
          expect(shards[i].bytes + first).toBeGreaterThan(target);
        });
      },
    ),
  );
});

function api(limits: Partial<Limits> = {}) {
  const querier = new TestQuerier();
  querier.volumes.set('t', [stream('a', 600), stream('b', 600), stream('c', 600)]);
  const frontend = testFrontend(querier, limits);
  return {
    querier,
    ask: (query: Record<string, string>) =>
      new MetadataApi({ frontend, querier, clock, logger, multiTenantQueriesEnabled: false }).indexShards(
        getRequest(query),
        tenancyOf('t'),
      ),
  };
}

async function shardsOf(query: Record<string, string>, limits: Partial<Limits> = {}) {
  const { body } = await api(limits).ask(query);
  return JSON.parse(body as string) as { shards: { bounds: object; stats: { bytes: number } }[] };
}

test('the answer has bounds and statistics, whole numbers to the last digit', async () => {
  const { body } = await api().ask({ query: '{app=~".+"} |= "x"', targetBytesPerShard: '1MB' });
  expect(body).toBe(
    '{"shards":[{"bounds":{"min":0,"max":18446744073709551615},"stats":{"streams":3,"chunks":3,"bytes":1800,"entries":6}}]}\n',
  );
});

test('the target is a size; without one it is that of the tenant', async () => {
  const query = 'sum(rate({app=~".+"}[1m])) / sum(rate({app=~".+"}[5m]))';
  expect((await shardsOf({ query, targetBytesPerShard: '1KB' })).shards).toHaveLength(3);
  expect((await shardsOf({ query, targetBytesPerShard: '1300' })).shards).toHaveLength(2);
  expect((await shardsOf({ query }, { tsdbMaxBytesPerShard: 600 })).shards).toHaveLength(3);
  expect((await shardsOf({ query }, { tsdbMaxBytesPerShard: 0 })).shards).toHaveLength(1);
});

test('each selector of the query is asked for once', async () => {
  const { querier, ask } = api();
  await ask({
    query: 'sum(rate({app="a"}[1m])) / sum(rate({app="b"}[5m])) + sum(rate({app="a"} |= "x" [9m]))',
  });
  expect(querier.requests.map((each) => (each as StreamsRequest).selector)).toEqual([
    '{app="a"}',
    '{app="b"}',
  ]);
});

test.each(['0', '-1'])('a target of %s is refused', async (targetBytesPerShard) => {
  await expect(api().ask({ query: '{app="a"}', targetBytesPerShard })).rejects.toThrow(
    'targetBytesPerShard must be a positive value',
  );
});

test('an invalid size or query is refused', async () => {
  await expect(api().ask({ query: '{app="a"}', targetBytesPerShard: 'much' })).rejects.toThrow(
    'is not a size',
  );
  await expect(api().ask({ query: '' })).rejects.toThrow('parse error');
});
