/**
 * Measures ingest in each format that agents send: CPU of a fresh process for each GB of lines, for pushes,
 * the flush of everything and its compaction, by thread, and the time of pushes.
 *
 *     npm run bench:ingest -- --data DIR [--formats protobuf,json,otlp-protobuf,otlp-protobuf-gzip,otlp-json] [--rounds 1]
 *
 * DIR holds a data set of the benchmark harness with JSON (`generate.mjs --json`).
 */
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Product } from '@loki/attack';
import { endWithUsageError, readOptions } from '@loki/command-line';
import { otlpJson, otlpProtobuf } from './otlp-bodies.ts';
import type { PushBody } from './otlp-bodies.ts';
import { PushBodies } from './push-bodies.ts';

interface Format {
  readonly path: string;
  readonly file: 'main.proto' | 'main.json';
  readonly headers: Readonly<Record<string, string>>;
  readonly convert?: (push: PushBody) => Buffer;
}

const otlp = { path: '/otlp/v1/logs', file: 'main.json' } as const;
const protobufType = { 'content-type': 'application/x-protobuf' };
const jsonType = { 'content-type': 'application/json' };
const formats = new Map<string, Format>([
  ['protobuf', { path: '/loki/api/v1/push', file: 'main.proto', headers: protobufType }],
  ['json', { path: '/loki/api/v1/push', file: 'main.json', headers: jsonType }],
  ['otlp-protobuf', { ...otlp, headers: protobufType, convert: otlpProtobuf }],
  [
    'otlp-protobuf-gzip',
    {
      ...otlp,
      headers: { ...protobufType, 'content-encoding': 'gzip' },
      convert: (push) => gzipSync(otlpProtobuf(push), { level: 1 }),
    },
  ],
  ['otlp-json', { ...otlp, headers: jsonType, convert: otlpJson }],
]);

const { values: options } = readOptions(import.meta.filename, {
  options: {
    data: { type: 'string' },
    formats: { type: 'string', default: [...formats.keys()].join() },
    rounds: { type: 'string', default: '1' },
  },
});
if (options.data === undefined) endWithUsageError('--data is missing');
const directory = options.data;

/** Agents share as many connections; the streams of an agent stay in order. */
const connections = 4;
const answerTimeoutMs = 60_000;
const memoryEveryMs = 100;
const compactedEveryMs = 200;
/** As agents do after 503. */
const repeatedAfterMs = 500;
/** Threads that take less, in CPU s/GB, are not printed. */
const threadSecondsMin = 0.05;
const mib = 2 ** 20;
const agent = new http.Agent({ keepAlive: true });

console.log(
  '| format | CPU s/GB of pushes | flush | compaction | all | push p50, p99 ms | MiB at most | threads of pushes; flush; compaction |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (let round = 0; round < Number(options.rounds); round++) {
  for (const name of options.formats.split(',')) {
    const format = formats.get(name);
    if (!format) endWithUsageError(`there is no format ${name}, but ${[...formats.keys()].join(', ')}`);
    console.log(`| ${name} | ${await measure(format)} |`);
  }
}

async function measure(format: Format): Promise<string> {
  const flags = [
    '-auth.enabled=false',
    '-ingester.per-stream-rate-limit=1GB',
    '-ingester.per-stream-rate-limit-burst=1GB',
  ];
  const product = await Product.start(0, [...flags, '-ingester.max-global-streams-per-user=0']);
  let memoryBytes = 0;
  const watch = setInterval(
    () => (memoryBytes = Math.max(memoryBytes, product.memoryBytes())),
    memoryEveryMs,
  );
  try {
    const laps = [product.threadSeconds()];
    const { bytes, times } = await pushAll(product, format);
    laps.push(product.threadSeconds());
    await command(product, '/flush');
    laps.push(product.threadSeconds());
    await command(product, '/compactor/merge');
    while (await isCompacting(product)) await sleep(compactedEveryMs);
    laps.push(product.threadSeconds());
    const gb = bytes / 1e9;
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(share * (times.length - 1))].toFixed(0);
    const steps = laps.slice(1).map((lap, i) => differences(laps[i], lap, gb));
    const totals = steps.map((step) => step.values().reduce((sum, each) => sum + each, 0));
    const all = totals.reduce((sum, each) => sum + each, 0);
    const cells = [...totals, all].map((each) => each.toFixed(1)).join(' | ');
    return `${cells} | ${at(0.5)}, ${at(0.99)} | ${(memoryBytes / mib).toFixed(0)} | ${steps.map(textOf).join('; ')}`;
  } finally {
    clearInterval(watch);
    await product.stop();
  }
}

async function command(product: Product, route: string): Promise<void> {
  if (!(await post(product, route, {}, Buffer.alloc(0)))) throw new Error(`${route}: 503`);
}

async function isCompacting({ port }: Product): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/compactor/status`);
  return ((await answer.json()) as { isRunning: boolean }).isRunning;
}

type ThreadSeconds = ReadonlyMap<string, number>;

/** Of each thread, for a GB. */
function differences(before: ThreadSeconds, after: ThreadSeconds, gb: number): ThreadSeconds {
  return new Map([...after].map(([name, seconds]) => [name, (seconds - (before.get(name) ?? 0)) / gb]));
}

function textOf(step: ThreadSeconds): string {
  const rows = [...step].filter(([, seconds]) => seconds >= threadSecondsMin).sort((a, b) => b[1] - a[1]);
  return rows.map(([name, seconds]) => `${name} ${seconds.toFixed(1)}`).join(', ');
}

async function pushAll(product: Product, format: Format): Promise<{ bytes: number; times: number[] }> {
  const bodies = new PushBodies(directory, format.file);
  const times: number[] = [];
  let bytes = 0;
  const connection = async (own: number): Promise<void> => {
    for (const batch of bodies.batches) {
      if (batch.a % connections !== own) continue;
      const stored = bodies.read(batch);
      const body = format.convert ? format.convert(JSON.parse(stored.toString()) as PushBody) : stored;
      const began = performance.now();
      while (!(await post(product, format.path, format.headers, body))) await sleep(repeatedAfterMs);
      times.push(performance.now() - began);
      bytes += batch.r;
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, own) => connection(own)));
  bodies.close();
  return { bytes, times };
}

/**
 * @returns false for 503: a busy process asks for the same body later
 * @throws Error for another answer that is not 2xx
 */
function post(
  { port }: Product,
  route: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        port,
        path: route,
        method: 'POST',
        agent,
        timeout: answerTimeoutMs,
        headers: { ...headers, 'content-length': body.length },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const { statusCode = 0 } = response;
          if (statusCode >= 200 && statusCode < 300) resolve(true);
          else if (statusCode === 503) resolve(false);
          else reject(new Error(`${route}: ${statusCode} ${Buffer.concat(parts).toString('utf8', 0, 300)}`));
        });
      },
    );
    request.on('timeout', () =>
      request.destroy(new Error(`${route}: no answer within ${answerTimeoutMs} ms`)),
    );
    request.on('error', reject);
    request.end(body);
  });
}
