/** Protects: limits on streams, their rates and late entries, and the memory of silent streams. */
import { parseTenantId } from '@loki/model';
import { resolveStream } from '../streams/resolve-stream.ts';
import { defaultLimits } from '../test/distributor.ts';
import type { OfferedRows } from './refused-rows.ts';
import { StreamRegistry } from './stream-registry.ts';

const options = { streamIdleMs: 60_000, chunkAgeMaxMs: 7_200_000, refusedNamedMax: 2 };

/** Rows of one byte at these seconds. */
function offered(seconds: readonly number[]): OfferedRows & { refused: number[] } {
  const refused: number[] = [];
  return {
    refused,
    count: seconds.length,
    seconds: (index) => seconds[index],
    nanos: () => 0,
    lineBytes: () => 1,
    refuse: (index) => refused.push(index),
  };
}

test('how far behind counts from the newest admitted entry, within a push too', () => {
  const registry = new StreamRegistry(options, 1);
  const tenant = parseTenantId('t');
  const stream = resolveStream(tenant, '{app="a"}', defaultLimits);
  const first = offered([10_000, 6_400, 6_399, 20_000, 16_399, 16_400]);
  const problem = registry.admit(tenant, stream, first, defaultLimits, 0);
  expect(first.refused).toEqual([2, 4]);
  expect(problem).toEqual({
    status: 400,
    text:
      `entry with timestamp 1970-01-01 01:46:39 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 1970-01-01T01:46:39Z, oldest acceptable timestamp is: 1970-01-01T01:46:40Z',\n` +
      `entry with timestamp 1970-01-01 04:33:19 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 1970-01-01T04:33:19Z, oldest acceptable timestamp is: 1970-01-01T04:33:20Z',\n` +
      `user 't', total ignored: 2 out of 6 for stream: {app="a", service_name="a"}`,
  });
});

test('only so many refused rows are named, all are counted', () => {
  const registry = new StreamRegistry(options, 1);
  const tenant = parseTenantId('t');
  const stream = resolveStream(tenant, '{app="a"}', defaultLimits);
  const problem = registry.admit(tenant, stream, offered([100_000, 1, 2, 3, 4]), defaultLimits, 0);
  expect(problem?.text.split('\n')).toHaveLength(3);
  expect(problem?.text).toMatch(/total ignored: 4 out of 5/);
});

test('tenants and streams that go silent are forgotten', () => {
  const registry = new StreamRegistry(options, 1);
  for (let i = 0; i < 500; i++) {
    const tenant = parseTenantId(`t${i}`);
    registry.admit(tenant, resolveStream(tenant, '{app="a"}', defaultLimits), offered([1]), defaultLimits, i);
  }
  expect(registry.tenantCount).toBe(500);
  const last = parseTenantId('last');
  registry.admit(last, resolveStream(last, '{app="a"}', defaultLimits), offered([1]), defaultLimits, 61_000);
  expect(registry.tenantCount).toBe(1);
  expect(registry.activeStreams(last)).toBe(1);
});
