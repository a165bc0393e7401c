/** Attacks by bodies of pushes: compression bombs, many streams, many attributes. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Attack, Attacker } from './attacker.ts';

const mib = 2 ** 20;
const floodMs = 10_000;

/** Made when its attack runs: bodies are large. */
function bodyAttack(
  name: string,
  about: string,
  make: () => Buffer | string,
  {
    headers = {},
    path,
  }: { readonly headers?: Readonly<Record<string, string>>; readonly path?: string } = {},
): Attack {
  return {
    name,
    about,
    async run(attacker: Attacker) {
      const body = make();
      await attacker.flood(3, floodMs, () => attacker.push(body, headers, path));
    },
  };
}

function nowNs(): string {
  return `${Date.now()}000000`;
}

interface PushShape {
  readonly app?: string;
  readonly lineBytes?: number;
  /** All lines have one timestamp. */
  readonly isOneMoment?: boolean;
}

/** A push of one stream with equal lines, of about this many bytes. */
export function pushOf(
  bytes: number,
  { app = 'attack', lineBytes = 200, isOneMoment = false }: PushShape = {},
): string {
  const nowMs = Date.now();
  const line = 'x'.repeat(lineBytes - 12);
  const values: string[] = [];
  for (let size = 0, i = 0; size < bytes; i++) {
    const ns = isOneMoment ? '0' : String(i);
    const value = `["${nowMs - 1000}${ns.padStart(6, '0')}","${String(i).padStart(12)}${line}"]`;
    values.push(value);
    size += value.length + 1;
  }
  return `{"streams":[{"stream":{"app":"${app}"},"values":[${values.join(',')}]}]}`;
}

function manyStreams(count: number): string {
  const now = nowNs();
  const streams = Array.from(
    { length: count },
    (_, i) => `{"stream":{"app":"attack","number":"${i}"},"values":[["${now}","x"]]}`,
  );
  return `{"streams":[${streams.join(',')}]}`;
}

function manyResources(count: number): string {
  const now = nowNs();
  const resources = Array.from(
    { length: count },
    (_, i) =>
      `{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s${i}"}},{"key":"host","value":{"stringValue":"h"}}]},` +
      `"scopeLogs":[{"logRecords":[{"timeUnixNano":"${now}","body":{"stringValue":"line"},"attributes":[{"key":"a","value":{"intValue":"1"}}]}]}]}`,
  );
  return `{"resourceLogs":[${resources.join(',')}]}`;
}

/** One stream, named anew for each line. */
function streamNamedAgain(count: number): string {
  const now = nowNs();
  const streams = Array.from(
    { length: count },
    (_, i) => `{"stream":{"app":"attack"},"values":[["${now}","line ${i}"]]}`,
  );
  return `{"streams":[${streams.join(',')}]}`;
}

/** Records with many attributes, each name of which is new. */
function otlpAttributes(records: number, attributes: number): string {
  const now = nowNs();
  const list = Array.from({ length: records }, (_, r) => {
    const pairs = Array.from(
      { length: attributes },
      (_, a) => `{"key":"k${(r * attributes + a) % 50_000}","value":{"stringValue":"v${a}"}}`,
    );
    return `{"timeUnixNano":"${now}","body":{"stringValue":"line ${r}"},"attributes":[${pairs.join(',')}]}`;
  });
  return `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeLogs":[{"logRecords":[${list.join(',')}]}]}]}`;
}

function otlpRecords(count: number): string {
  const now = nowNs();
  const records = Array.from(
    { length: count },
    (_, i) =>
      `{"timeUnixNano":"${now}","severityText":"INFO","body":{"stringValue":"line ${i} of a service that tells much of itself"},` +
      `"attributes":[{"key":"http.method","value":{"stringValue":"GET"}},{"key":"status","value":{"intValue":"200"}}]}`,
  );
  return `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeLogs":[{"logRecords":[${records.join(',')}]}]}]}`;
}

const otlp = '/otlp/v1/logs';
const gzip = { 'content-encoding': 'gzip' };

export const bodyAttacks: readonly Attack[] = [
  bodyAttack(
    'gzip bomb',
    'A7: 261 KB are 250 MB of spaces',
    () => gzipSync(Buffer.alloc(250 * mib, 0x20), { level: 9 }),
    { headers: gzip },
  ),
  bodyAttack(
    'gzip of lines',
    'A7: 60 MB of lines in a small body',
    () => gzipSync(pushOf(60 * mib), { level: 9 }),
    { headers: gzip },
  ),
  bodyAttack('large JSON', 'A7: 40 MB of lines as they are', () => pushOf(40 * mib)),
  bodyAttack('short lines', 'A7: 20 MB of lines of a few bytes', () => pushOf(20 * mib, { lineBytes: 13 })),
  bodyAttack('one moment', 'A7: 10 MB of lines with one timestamp, again and again', () =>
    pushOf(10 * mib, { isOneMoment: true }),
  ),
  {
    name: 'one moment, new lines',
    about: 'A7: 2 MB of lines with one timestamp, never the same twice',
    run: (attacker) => {
      const moment = nowNs();
      return attacker.flood(3, floodMs, (turn) => {
        const values = Array.from({ length: 40_000 }, (_, i) => `["${moment}","line ${turn} ${i}"]`);
        return attacker.push(`{"streams":[{"stream":{"app":"attack"},"values":[${values.join(',')}]}]}`);
      });
    },
  },
  {
    name: 'one moment, small pushes',
    about: 'A7: a line in each push, all with one timestamp',
    run: (attacker) => {
      const moment = nowNs();
      return attacker.flood(32, floodMs, (turn) =>
        attacker.push(`{"streams":[{"stream":{"app":"attack"},"values":[["${moment}","line ${turn}"]]}]}`),
      );
    },
  },
  {
    name: 'pushes that overlap',
    about: 'A7: each push spans the same minute',
    run: (attacker) => {
      const beganNs = BigInt(Date.now() - 60_000) * 1_000_000n;
      return attacker.flood(32, floodMs, (turn) => {
        const values = [1n, 59_000_000_000n].map(
          (ns) => `["${beganNs + ns + BigInt(turn) * 1_000n}","line ${turn}"]`,
        );
        return attacker.push(`{"streams":[{"stream":{"app":"attack"},"values":[${values.join(',')}]}]}`);
      });
    },
  },
  bodyAttack('a stream named again', 'A7: one stream, named 60,000 times in a push', () =>
    streamNamedAgain(60_000),
  ),
  bodyAttack(
    'zstd frames',
    'A7: 100,000 empty frames',
    () => Buffer.concat(Array.from({ length: 100_000 }, () => zstdCompressSync(Buffer.alloc(0)))),
    { headers: { 'content-encoding': 'zstd' }, path: otlp },
  ),
  bodyAttack(
    'zstd bomb',
    'A7: a small body of 250 MB',
    () => zstdCompressSync(Buffer.alloc(250 * mib, 0x20)),
    { headers: { 'content-encoding': 'zstd' }, path: otlp },
  ),
  bodyAttack('streams', 'A7: 60,000 streams in a push', () => manyStreams(60_000)),
  bodyAttack('a million streams', 'A7: 1e6 streams in a push', () => manyStreams(1_000_000)),
  bodyAttack('OTLP resources', 'A7: OTLP JSON with 100,000 resources', () => manyResources(100_000), {
    path: otlp,
  }),
  bodyAttack(
    'OTLP resources, few enough',
    'A7: OTLP JSON with 50,000 resources',
    () => manyResources(50_000),
    { path: otlp },
  ),
  bodyAttack('OTLP records', 'A7: OTLP JSON of 100,000 records', () => otlpRecords(100_000), { path: otlp }),
  bodyAttack(
    'OTLP attributes',
    'A7: OTLP JSON, 100 attributes in each of 4,000 records',
    () => otlpAttributes(4_000, 100),
    { path: otlp },
  ),
  bodyAttack('OTLP record', 'A7: OTLP JSON, a record of 50,000 attributes', () => otlpAttributes(1, 50_000), {
    path: otlp,
  }),
];
