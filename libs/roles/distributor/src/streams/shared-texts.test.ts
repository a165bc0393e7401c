/** Streams that are remembered share what they have in common, and say what they said before. */
import { parseTenantId } from '@loki/model';
import { defaultLimits } from '../test/distributor.ts';
import { resolveStream } from './resolve-stream.ts';
import { SharedTexts } from './shared-texts.ts';

const tenant = parseTenantId('a');

test('names are one list, and labels are the same as of a stream by itself', () => {
  const texts = new SharedTexts();
  const labels = (pod: string) => `{namespace="shop", pod="${pod}", app="a long name of an app"}`;
  const [first, second] = ['pod-1', 'pod-2'].map((pod) =>
    resolveStream(tenant, labels(pod), defaultLimits, { texts }),
  );
  expect(second.labels.names).toBe(first.labels.names);
  for (const [pod, stream] of [
    ['pod-1', first],
    ['pod-2', second],
  ] as const) {
    const alone = resolveStream(tenant, labels(pod), defaultLimits);
    expect(stream.text).toBe(alone.text);
    expect(stream.placementHash).toBe(alone.placementHash);
    expect([...stream.labels]).toEqual([...alone.labels]);
  }
});

test('texts that are no well-formed UTF-16 stay as they are', () => {
  const texts = new SharedTexts();
  const value = `lone \ud800 surrogate in a value`;
  expect(texts.values([['a', value]])).toEqual([value]);
  expect(texts.values([['a', value]])).toEqual([value]);
});
