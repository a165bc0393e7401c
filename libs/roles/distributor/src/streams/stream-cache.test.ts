/**
 * Protects: a cached stream is what its text says under the limits of now, and the cache is bounded in bytes.
 */
import fc from 'fast-check';
import { mib, parseTenantId } from '@loki/model';
import { defaultLimits } from '../test/distributor.ts';
import { resolveStream } from './resolve-stream.ts';
import { StreamCache } from './stream-cache.ts';

const tenant = parseTenantId('a');
const otherTenant = parseTenantId('b');

function usualLabels(stream: number): string {
  return `{app="app-${stream % 200}", cluster="cluster-${stream % 3}", namespace="ns-${stream % 50}", pod="pod-${stream}"}`;
}

test('a stream is the same from the cache as resolved anew, whatever its labels', () => {
  const name = fc.constantFrom('app', 'level', 'namespace', 'pod', 'ключ', 'a.b');
  const value = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('error', 'a"b', 'C:\\temp', ', ', '="', 'é', '\n', ''),
  );
  const labels = fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true });
  const pushes = fc.array(fc.tuple(labels, fc.boolean(), fc.boolean(), fc.nat(2)), { maxLength: 12 });
  fc.assert(
    fc.property(pushes, (all) => {
      const cache = new StreamCache(mib);
      const changedLimits = { ...defaultLimits };
      for (const round of [0, 1, 2]) {
        for (const [object, isJson, isOther, form] of all) {
          const owner = isOther ? otherTenant : tenant;
          const limits = round === 2 && form === 0 ? changedLimits : defaultLimits;
          const shard = form === 2 ? 'x' : undefined;
          const text = `{${Object.entries(object)
            .map(([key, each]) => `${key}=${JSON.stringify(each)}`)
            .join(', ')}}`;
          const bytes = Buffer.from(isJson ? JSON.stringify(object) : text);
          const streams = cache.lookup(owner, limits, shard);
          const stream = isJson
            ? streams.ofJsonBytes(bytes, 0, bytes.length)
            : streams.ofTextBytes(bytes, 0, bytes.length);
          const resolved = isJson
            ? new StreamCache(mib).lookup(owner, limits, shard).ofJsonBytes(bytes, 0, bytes.length)
            : resolveStream(owner, bytes.toString(), limits, shard);
          expect({ ...stream, labels: [...stream.labels] }).toEqual({
            ...resolved,
            labels: [...resolved.labels],
          });
          expect(stream.limits).toBe(limits);
          expect(stream.labels.toString()).toBe(resolved.labels.toString());
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('20,000 usual streams stay in 14 MiB, some 360 bytes each', () => {
  const cache = new StreamCache(14 * mib);
  const streams = cache.lookup(tenant, defaultLimits);
  for (let stream = 0; stream < 20_000; stream++) streams.ofText(usualLabels(stream));
  expect(cache.size).toBe(20_000);
  expect(cache.bytes).toBeLessThan(360 * 20_000);
  const others: number[] = [];
  for (let stream = 0; stream < 20_000; stream++) {
    if (streams.ofText(usualLabels(stream)).labels.get('pod') !== `pod-${stream}`) others.push(stream);
  }
  expect(others).toEqual([]);
  expect(cache.size).toBe(20_000);
});

test('memory is bounded by bytes, also of long labels, of names that never come again, and of many tenants', () => {
  const cache = new StreamCache(2 * mib);
  const spare = mib / 2;
  const long = 'v'.repeat(1_000);
  let mostBytes = 0;
  for (let i = 0; i < 3_000; i++) {
    const streams = cache.lookup(parseTenantId(`t${i}`), defaultLimits);
    streams.ofText(`{app="${i}", a${i}="${long}"}`);
    streams.ofText('{not labels');
    mostBytes = Math.max(mostBytes, cache.bytes);
  }
  expect(mostBytes).toBeLessThan(2 * mib + spare);
  expect(cache.size).toBeGreaterThan(100);
});

test('the newest half of the streams is cached, and a stream in use stays', () => {
  const cache = new StreamCache(2 * mib);
  const streams = cache.lookup(tenant, defaultLimits);
  for (let i = 0; i < 10_000; i++) {
    streams.ofText(usualLabels(i));
    if (i % 500 === 0) expect(streams.ofText(usualLabels(0)).labels.get('pod')).toBe('pod-0');
  }
  const { size } = cache;
  streams.ofText(usualLabels(0));
  expect(cache.size - size).toBeLessThanOrEqual(1);
});
