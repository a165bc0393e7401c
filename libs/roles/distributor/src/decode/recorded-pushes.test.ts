/** Protects: pushes are answered and stored as a recorded Loki did. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { compressSync } from 'snappy';
import type { Limits } from '@loki/config';
import { encodePushRequest } from '@loki/proto';
import { defaultLimits, storedEntries, testDistributor } from '../test/distributor.ts';
import type { RecordingLog } from '../test/distributor.ts';
import { encodeOtlpRequest } from '../test/otlp.ts';

// Protects the write path: Loki's recorded answers to these pushes, and to queries after them, are the oracle
// of the whole write path.

interface RecordedPush {
  readonly path: string;
  readonly json?: unknown;
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly pushProto?: {
    streams: { labels: string; entries: [string, string, Record<string, string>?][] }[];
  };
  readonly otlpProto?: object;
  readonly encode?: 'gzip' | 'deflate' | 'snappy' | 'none';
  readonly headers?: Record<string, string | null>;
  readonly status: number;
  readonly contentType?: string;
  readonly text: string;
  readonly mask?: [string, string][];
}

interface RecordedCase {
  readonly id: string;
  readonly desc: string;
  readonly tenant: string;
  readonly pushes: readonly RecordedPush[];
  readonly selector?: string;
  readonly streams?: readonly [Record<string, string>, [string, string, Record<string, string>][]][];
}

const t0Ms = Date.UTC(2026, 0, 15, 10);
const t0Ns = BigInt(t0Ms) * 1_000_000n;
const nowMs = t0Ms + 2.5 * 3_600_000;

const units: Record<string, bigint> = {
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};

const recordedLimits: Limits = {
  ...defaultLimits,
  ingestionRateBytes: 64 * 2 ** 20,
  ingestionBurstBytes: 64 * 2 ** 20,
  perStreamRateLimitBytes: 64 * 2 ** 20,
  perStreamRateLimitBurstBytes: 64 * 2 ** 20,
};

const overrides: Record<string, Partial<Limits>> = {
  'limit-rate': { ingestionRateBytes: 0.001 * 2 ** 20, ingestionBurstBytes: Math.floor(0.001 * 2 ** 20) },
  'limit-streams': { maxGlobalStreamsPerUser: 2 },
  'limit-line': { maxLineSizeBytes: 100 },
  'limit-labels': { maxLabelNamesPerSeries: 3, maxLabelNameLength: 12, maxLabelValueLength: 16 },
  'limit-sm': { maxStructuredMetadataEntriesCount: 2, maxStructuredMetadataSizeBytes: 64 },
  'no-sm': { allowStructuredMetadata: false },
  'no-discover': { discoverServiceName: [], discoverLogLevels: false },
};

const cases = readFileSync(join(__dirname, '../testdata/recorded-pushes.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as RecordedCase);

test.each(cases.map((recorded) => [`${recorded.id} ${recorded.desc}`, recorded] as const))(
  'answered and stored as by Loki: %s',
  async (_, recorded) => {
    const { push, log } = testDistributor({
      nowMs,
      limits: (tenant) => ({ ...recordedLimits, ...overrides[tenant] }),
    });
    for (const request of recorded.pushes) {
      const answer = await push(recorded.tenant, buildRequest(request));
      const body = Buffer.from((answer.body as string) ?? '').toString('utf8');
      expect({ status: answer.status, text: masked(tokens(body).trimEnd(), request.mask) }).toEqual({
        status: request.status,
        text: masked(expand(request.text), request.mask),
      });
      expect(answer.headers?.['content-type']?.replaceAll(' ', '')).toBe(request.contentType);
    }
    if (recorded.streams) expect(storedStreams(log, recorded.selector!)).toEqual(expectedStreams(recorded));
  },
);

function expectedStreams(recorded: RecordedCase) {
  return recorded
    .streams!.map(([stream, values]) => [sortedText(stream), values] as const)
    .map(
      ([stream, values]) =>
        [stream, values.map(([time, line, metadata]) => [time, expand(line), sortedText(metadata)])] as const,
    )
    .sort(byStream);
}

/** The appended entries that the recorded query would select: streams, each with its entries by time. */
function storedStreams(log: RecordingLog, selector: string) {
  const wanted = /^\{(\w+)(=~?)"(.*)"\}$/.exec(selector)!;
  const streams = new Map<string, [string, string, string][]>();
  const entries = storedEntries(log).filter(({ stream }) =>
    wanted[2] === '=' ? stream[wanted[1]] === wanted[3] : stream[wanted[1]] !== undefined,
  );
  entries.sort((a, b) => Number(a.timestampNs - b.timestampNs));
  const seen = new Set<string>();
  for (const { stream, timestampNs, line, metadata } of entries) {
    const key = sortedText(stream);
    const entry: [string, string, string] = [`@${timestampNs - t0Ns}ns`, line, masked(sortedText(metadata))];
    // The ingester drops what an earlier record holds; here the records stand side by side.
    if (seen.has(key + JSON.stringify(entry))) continue;
    seen.add(key + JSON.stringify(entry));
    streams.set(key, [...(streams.get(key) ?? []), entry]);
  }
  return [...streams]
    .map(([stream, values]) => [stream, values.map(([t, l, m]) => [t, l, tokens(m)])] as const)
    .sort(byStream);
}

function byStream([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function sortedText(metadata: Record<string, string>): string {
  return JSON.stringify(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Tokens of the corpus to values: `${T0+600s}`, `${T0|s}`, `${x*2049}`. */
function expand(text: string): string {
  return text
    .replace(/\$\{([xny])\*(\d+)\}/g, (_, char: string, count: string) => char.repeat(Number(count)))
    .replace(/\$\{T0(?:([+-])(\d+)([smhd]))?(?:\|(\w+))?\}/g, (_, sign, count, unit, format) => {
      const offset = count ? BigInt(count) * units[unit] * (sign === '-' ? -1n : 1n) : 0n;
      const ns = t0Ns + offset;
      if (format === 's') return String(ns / 1_000_000_000n);
      if (format === 'rfc3339') return new Date(Number(ns / 1_000_000n)).toISOString().replace('.000Z', 'Z');
      return String(ns);
    });
}

/** Times near T0 to tokens, as the corpus does before it compares. */
function tokens(text: string): string {
  const near = (ns: bigint) => (ns > t0Ns ? ns - t0Ns : t0Ns - ns) < 40n * units.d;
  return text
    .replace(
      /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/g,
      (time) => `@${(Date.parse(time.slice(0, 19) + 'Z') - t0Ms) / 1000}sU`,
    )
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (time) =>
      near(BigInt(Date.parse(time)) * 1_000_000n) ? `@${(Date.parse(time) - t0Ms) / 1000}sZ` : time,
    )
    .replace(/\b\d{19}\b/g, (time) => (near(BigInt(time)) ? `@${BigInt(time) - t0Ns}ns` : time));
}

function masked(text: string, mask: readonly (readonly [string, string])[] = []): string {
  return mask.reduce((masking, [pattern, by]) => masking.replace(new RegExp(pattern, 'g'), by), text);
}

function buildRequest(recorded: RecordedPush) {
  const headers = new Map<string, string>();
  let body: Buffer = Buffer.alloc(0);
  if (recorded.json !== undefined) {
    body = Buffer.from(expand(JSON.stringify(recorded.json)));
    headers.set('content-type', 'application/json');
  } else if (recorded.pushProto) {
    const push = JSON.parse(expand(JSON.stringify(recorded.pushProto))) as NonNullable<
      RecordedPush['pushProto']
    >;
    body = encodePushRequest({
      streams: push.streams.map(({ labels, entries }) => ({
        labels,
        entries: entries.map(([time, line, metadata]) => ({
          timestampNs: BigInt(time),
          line,
          metadata: Object.entries(metadata ?? {}),
        })),
      })),
    });
    if (!recorded.encode) body = compressSync(body);
    headers.set('content-type', 'application/x-protobuf');
  } else if (recorded.otlpProto) {
    body = encodeOtlpRequest(JSON.parse(expand(JSON.stringify(recorded.otlpProto))) as object);
    headers.set('content-type', 'application/x-protobuf');
  } else if (recorded.bodyBase64 !== undefined) body = Buffer.from(recorded.bodyBase64, 'base64');
  else if (recorded.body !== undefined) body = Buffer.from(expand(recorded.body));
  if (recorded.encode && recorded.encode !== 'none') {
    headers.set('content-encoding', recorded.encode);
    if (recorded.encode === 'gzip') body = gzipSync(body);
    else if (recorded.encode === 'deflate') body = deflateRawSync(body);
    else body = literalSnappy(body);
  }
  for (const [name, value] of Object.entries(recorded.headers ?? {})) {
    if (value === null) headers.delete(name.toLowerCase());
    else headers.set(name.toLowerCase(), expand(value));
  }
  return { path: recorded.path, headers, body };
}

/** Snappy of literals only, as the recorder sent it: an error text shows its bytes. */
function literalSnappy(bytes: Buffer): Buffer {
  const n = bytes.length - 1;
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  const tag = n < 60 ? [n << 2] : [61 << 2, n & 255, n >> 8];
  return Buffer.concat([Buffer.from([...length, ...tag]), bytes]);
}
