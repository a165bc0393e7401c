/** Protects: every record fits into the write log, and only lines that cannot fit are refused. */
import fc from 'fast-check';
import { compressSync } from 'snappy';
import { Labels } from '@loki/model';
import { encodePushRequest } from '@loki/proto';
import { defaultLimits, storedEntries, testDistributor } from '../test/distributor.ts';

// A record is never larger than the log takes: what is sent is cut, and a line that cannot be cut is refused
// for good.

const nowMs = Date.UTC(2026, 0, 15, 12, 30);
const unlimited = {
  ...defaultLimits,
  maxLineSizeBytes: 0,
  maxStructuredMetadataSizeBytes: 0,
  maxStructuredMetadataEntriesCount: 0,
  ingestionRateBytes: 1e12,
  ingestionBurstBytes: 1e12,
  perStreamRateLimitBytes: 1e12,
  perStreamRateLimitBurstBytes: 1e12,
};

let state = 1;

/** Text that zstd cannot make smaller by much. */
function noise(length: number): string {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    bytes[i] = 32 + ((state >>> 8) % 95);
  }
  return bytes.toString('latin1');
}

type Entry = readonly [line: string, metadata: Record<string, string>];

function distributorOf(recordBytesMax: number) {
  const { log, push, metrics } = testDistributor({ nowMs, partitions: 1, limits: () => unlimited });
  log.recordBytesMax = recordBytesMax;
  const send = (labels: Record<string, string>, entries: readonly Entry[]) => {
    const body = encodePushRequest({
      streams: [
        {
          labels: Labels.fromPairs(Object.entries(labels)).toString(),
          entries: entries.map(([line, metadata], i) => ({
            timestampNs: BigInt(nowMs) * 1_000_000n + BigInt(i),
            line,
            metadata: Object.entries(metadata),
          })),
        },
      ],
    });
    const headers = new Map([['content-type', 'application/x-protobuf']]);
    return push('t', { body: compressSync(body), headers });
  };
  return { log, send, metrics };
}

const stock = noise(256 * 1024);
const text = (length: number) =>
  fc.nat(stock.length - length).map((from) => stock.slice(from, from + length));

test('whatever is pushed, each record fits; entries are stored or refused with 400, never answered with 503', async () => {
  const entry = fc.tuple(
    fc.integer({ min: 0, max: 30_000 }).chain(text),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,20}$/), fc.integer({ min: 0, max: 3_000 }).chain(text), {
      maxKeys: 12,
    }),
  );
  const label = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 300 })
    .filter((value) => value.isWellFormed());
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 12_000, max: 40_000 }),
      label,
      fc.array(entry, { minLength: 1, maxLength: 40 }),
      async (recordBytesMax, value, entries) => {
        const { log, send } = distributorOf(recordBytesMax);
        const answer = await send({ app: value }, entries);
        const stored = storedEntries(log);
        expect([204, 400]).toContain(answer.status);
        expect(stored.length === entries.length).toBe(answer.status === 204);
        for (const { record } of log.records) {
          expect(record.payload.length).toBeLessThanOrEqual(recordBytesMax);
        }
        // Entries well below the bound always pass.
        const sure = entries.filter(
          ([line, metadata]) =>
            line.length + JSON.stringify(metadata).length + Object.keys(metadata).length * 64 <
            recordBytesMax - 4096 - 3 * (2 * value.length * 4 + 80),
        );
        expect(stored.length).toBeGreaterThanOrEqual(sure.length);
      },
    ),
    { numRuns: 40 },
  );
});

test('a line at the bound is stored; one byte more is 400 in the words of max_line_size, and counted', async () => {
  const { log, send, metrics } = distributorOf(100_000);
  const bound = 100_000 - 4096 - 3 * '{app="a", service_name="a"}'.length;
  expect((await send({ app: 'a' }, [[noise(bound), {}]])).status).toBe(204);
  expect(log.records[0].record.payload.length).toBeGreaterThan(bound * 0.8);
  const answer = await send({ app: 'a' }, [
    [noise(bound + 1), {}],
    ['small', {}],
  ]);
  expect(answer.status).toBe(400);
  expect(answer.body).toBe(
    `max entry size '${bound}' bytes exceeded for stream '{app="a", service_name="a"}' while adding an entry with length '${bound + 1}' bytes\n`,
  );
  expect(storedEntries(log).map(({ line }) => line.length)).toEqual([bound, 5]);
  expect(await metrics.text()).toMatch(/loki_discarded_samples_total\{.*reason="line_too_long".*\} 1/);
});

test('a push of many batches becomes many, so that none is held whole', async () => {
  const { log, push } = testDistributor({
    nowMs,
    partitions: 1,
    limits: () => unlimited,
    options: { batchBytesMax: 10_000 },
  });
  const lines = Array.from({ length: 400 }, (_, i) => `${i} ${'x'.repeat(500)}`);
  const values = lines.map((line, i) => [String(BigInt(nowMs) * 1_000_000n + BigInt(i)), line]);
  const body = Buffer.from(JSON.stringify({ streams: [{ stream: { app: 'a' }, values }] }));
  expect((await push('t', { body })).status).toBe(204);
  expect(storedEntries(log).map(({ line }) => line)).toEqual(lines);
  expect(log.records.length).toBeGreaterThanOrEqual(10);
});
