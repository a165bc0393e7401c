/**
 * Protects label requests over whole segments: the answer comes without a read of the streams, and equals
 * that of a read of each stream.
 */
import { parseTenantId, Labels, loadHash } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { StreamsRequest, StreamVolume } from '@loki/ports';
import { encodeSegment, RowWriter } from '@loki/segment';
import { atOnce } from '../common/sliced-work.ts';
import { streamsTask, unpackStreams } from './streams-task.ts';

beforeAll(loadHash);

const tenant = parseTenantId('a');
const key = 'segments/0/0-1-x';

async function storeOf(streams: readonly { labels: Record<string, string>; seconds: number }[]) {
  const writer = new RowWriter(tenant);
  for (const { labels, seconds } of streams) {
    writer.beginRun(Labels.fromPairs(Object.entries(labels)));
    writer.addRowText(seconds, 0, 'line');
    writer.endRun();
  }
  const objectStore = new MemoryObjectStore();
  await objectStore.put(key, encodeSegment(writer.finish(), { kind: 'flushed' }));
  return { objectStore, cache: new Map(), cacheBytesMax: 1 << 20 };
}

function valuesOf(streams: readonly StreamVolume[]): Record<string, string[]> {
  const values: Record<string, Set<string>> = {};
  for (const { labels, values: listed } of streams) {
    for (const [name, value] of labels) {
      for (const each of listed ?? [value]) (values[name] ??= new Set()).add(each);
    }
  }
  return Object.fromEntries(Object.entries(values).map(([name, texts]) => [name, [...texts].sort()]));
}

test.each([
  ['all of it', '', 0, 100, undefined],
  ['some streams', '{app="b"}', 0, 100, undefined],
  ['a part of the time', '', 2, 4, undefined],
  ['a part of the time and some streams', '{env=~".+"}', 2, 4, undefined],
  ['a segment of which others hold the rest', '', 0, 100, [1, 3]],
] as const)('%s', async (_, selector, from, to, clip) => {
  const env = await storeOf([
    { labels: { app: 'a', env: 'dev' }, seconds: 1 },
    { labels: { app: 'b', env: 'prod' }, seconds: 2 },
    { labels: { app: 'b', pod: 'x' }, seconds: 3 },
    { labels: { app: 'c', env: 'test' }, seconds: 5 },
  ]);
  const ns = (seconds: number) => BigInt(seconds) * 1_000_000_000n;
  const request: StreamsRequest = { tenant, selector, startNs: ns(from), endNs: ns(to) };
  const bounds = clip && { startNs: ns(clip[0]), endNs: ns(clip[1]) };
  const ask = async (asked: StreamsRequest) =>
    atOnce(unpackStreams(await streamsTask.run({ request: asked, key, clip: bounds }, env)));
  const streams = valuesOf(await ask(request));
  expect(Object.keys(streams).length).toBeGreaterThan(1);
  expect(valuesOf(await ask({ ...request, group: { by: 'name', withValues: true } }))).toEqual(streams);
  const names = await ask({ ...request, group: { by: 'name' } });
  expect(names.map(({ labels }) => labels[0][0]).sort()).toEqual(Object.keys(streams).sort());
  const apps = await ask({ ...request, group: { by: 'name', names: ['app'], withValues: true } });
  expect(valuesOf(apps)).toEqual({ app: streams.app });
});
