/**
 * Protects large pushes, which another thread decodes, from being read in another way than small ones; and
 * memory from accepted pushes.
 */
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { buildLimits } from '@loki/config';
import { encodePushRequest } from '@loki/proto';
import { NodeTimers } from '@loki/runtime';
import { distributorMetrics, Metrics } from '@loki/telemetry';
import { eventually, ManualTime } from '@loki/test-tools';
import { inlineWorkers, StoppedClock, storedEntries, testDistributor } from './test/distributor.ts';

const nowMs = Date.UTC(2026, 0, 15, 12, 30);
const nowNs = BigInt(nowMs) * 1_000_000n;
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const headers = (type: string, encoding = ''): Map<string, string> =>
  new Map([['content-type', type], ...(encoding === '' ? [] : [['content-encoding', encoding] as const])]);

/** Workers, and the number of pushes that they were given to decode. */
function countedDecoding() {
  const workers = inlineWorkers();
  const decoding = { workers, count: 0 };
  const run = workers.run.bind(workers);
  workers.run = (task, ...rest) => {
    if (task.name === 'distributor.decodePush') decoding.count++;
    return run(task, ...rest);
  };
  return decoding;
}

const streams = json({
  streams: Array.from({ length: 300 }, (_, i) => ({
    stream: { app: `a${i % 40}`, text: 'é "quoted" \\ \u2028' },
    values: Array.from({ length: 5 }, (_value, j) => [
      String(nowNs + BigInt(i * 5 + j)),
      `line ${i} ${j} level=error "escaped" \n é`,
      ...(j % 2 === 0 ? [{ trace: `t${i}`, 'odd.name': 'v é', same: 'same' }] : []),
    ]),
  })),
});
const refusedPartly = json({
  streams: [
    {
      stream: { app: 'a' },
      values: [
        [String(nowNs), 'new'],
        ['1', 'old'],
      ],
    },
    { stream: { '1bad': 'x' }, values: [[String(nowNs), 'x']] },
    { stream: {}, values: [[String(nowNs), 'x']] },
  ],
});
const legacy = json({
  streams: [
    {
      labels: '{app="legacy"}',
      entries: [
        { ts: new Date(nowMs).toISOString(), line: 'x', structuredMetadata: [{ name: 'n', value: 'v' }] },
      ],
    },
  ],
});
const otlp = json({
  resourceLogs: Array.from({ length: 20 }, (_, i) => ({
    resource: {
      attributes: [
        { key: 'service.name', value: { stringValue: `s${i % 3}` } },
        { key: 'host', value: { stringValue: 'h' } },
      ],
    },
    scopeLogs: [
      {
        scope: { name: 'scope', attributes: [{ key: 'a.b', value: { intValue: '1' } }] },
        logRecords: [
          { timeUnixNano: String(nowNs), severityNumber: 9, body: { stringValue: `line ${i}` } },
          {
            observedTimeUnixNano: String(nowNs),
            body: { kvlistValue: { values: [{ key: 'k', value: { boolValue: true } }] } },
          },
        ],
      },
    ],
  })),
});
const protobuf = encodePushRequest({
  streams: [
    { labels: '{app="p", b="é"}', entries: [{ timestampNs: nowNs, line: 'x', metadata: [['k', 'v']] }] },
  ],
});

const push = '/loki/api/v1/push';

/** Bodies that become `bytes` of JSON; sound ones have a push in them. */
function bombs(bytes: number, isSound = false): [string, string, Buffer, Map<string, string>][] {
  const line = 'x'.repeat(1024 - 60);
  const count = Math.ceil(bytes / 1024 / 1.024);
  const entry = (i: number) => [String(nowNs + BigInt(i)), line];
  const ofPush = json({
    streams: [{ stream: { app: 'a' }, values: Array.from({ length: count }, (_, i) => entry(i)) }],
  });
  const record = { timeUnixNano: String(nowNs), body: { stringValue: line } };
  const ofOtlp = json({
    resourceLogs: [
      {
        scopeLogs: [
          {
            logRecords: Array.from({ length: count }, (_, i) => ({
              ...record,
              timeUnixNano: String(nowNs + BigInt(i)),
            })),
          },
        ],
      },
    ],
  });
  const ofProtobuf = encodePushRequest({
    streams: [
      {
        labels: '{app="a"}',
        entries: Array.from({ length: count }, (_, i) => ({
          timestampNs: nowNs + BigInt(i),
          line,
          metadata: [],
        })),
      },
    ],
  });
  const gzip = gzipSync(ofPush);
  // The last member alone says how large it is.
  const lying = Buffer.concat([gzip, gzipSync(Buffer.alloc(isSound ? 0 : 1))]);
  return [
    ['gzip', push, gzip, headers('application/json', 'gzip')],
    ['gzip that lies', push, lying, headers('application/json', 'gzip')],
    ['deflate', push, deflateSync(ofPush), headers('application/json', 'deflate')],
    ['snappy', push, compressSync(ofProtobuf), headers('application/x-protobuf')],
    ['snappy in gzip', push, gzipSync(compressSync(ofProtobuf)), headers('application/x-protobuf', 'gzip')],
    ['zstd', '/otlp/v1/logs', zstdCompressSync(ofOtlp), headers('application/json', 'zstd')],
    ['lz4', '/otlp/v1/logs', compressFrameSync(ofOtlp), headers('application/json', 'lz4')],
  ];
}

test.each([
  ['JSON', push, streams, headers('application/json')],
  ['JSON, gzip', push, gzipSync(streams), headers('application/json', 'gzip')],
  ['JSON, deflate', push, deflateSync(streams), headers('application/json', 'deflate')],
  [
    'JSON, gzip that ends too soon',
    push,
    gzipSync(streams).subarray(0, 900),
    headers('application/json', 'gzip'),
  ],
  ['JSON with refused streams and rows', push, refusedPartly, headers('application/json')],
  [
    'JSON that is none',
    push,
    Buffer.from('{"streams":[{"stream":{"a":"b"},"values":[["1"'),
    headers('application/json'),
  ],
  ['an empty body', push, Buffer.alloc(0), headers('application/json')],
  ['no stream', push, json({ streams: [] }), headers('application/json')],
  ['an unknown encoding', push, streams, headers('application/json', 'br')],
  ['protobuf', push, compressSync(protobuf), headers('application/x-protobuf')],
  ['protobuf that is none', push, compressSync(Buffer.from([1, 2, 3])), headers('application/x-protobuf')],
  ['snappy that is none', push, Buffer.from('plain'), headers('application/x-protobuf')],
  ['legacy JSON', '/api/prom/push', legacy, headers('application/json')],
  ['OTLP JSON', '/otlp/v1/logs', otlp, headers('application/json')],
  ['OTLP JSON, zstd', '/otlp/v1/logs', zstdCompressSync(otlp), headers('application/json', 'zstd')],
  ['OTLP of another type', '/otlp/v1/logs', otlp, headers('text/plain')],
])('%s: decoded elsewhere it is stored and answered as here', async (_, path, body, requestHeaders) => {
  const outcomes = await Promise.all(
    [1 << 20, -1].map(async (bytes) => {
      const options = { inlineBytesMax: bytes, inlineOtlpBytesMax: bytes };
      const { push: send, log } = testDistributor({ options, nowMs });
      // Its buffer is moved to the other thread.
      const answer = await send('t', {
        path,
        body: Buffer.from(Uint8Array.from(body)),
        headers: requestHeaders,
      });
      return { answer, entries: storedEntries(log).sort((a, b) => Number(a.timestampNs - b.timestampNs)) };
    }),
  );
  expect(outcomes[1]).toEqual(outcomes[0]);
});

// A push of 200 kB with an entry in every other byte kept the thread as long as one of megabytes.
describe('pushes are large by what they bring, too', () => {
  const values = (count: number, pairs = 0, first = 0): unknown[] =>
    Array.from({ length: count }, (_, i) => [
      String(nowNs + BigInt(first + i)),
      '',
      Object.fromEntries(Array.from({ length: pairs }, (_pair, k) => [`k${k}`, `${i}`])),
    ]);
  const named = (count: number): unknown[] =>
    Array.from({ length: count }, (_, i) => ({ stream: { app: 'a' }, values: values(1, 0, 10_000 + i) }));

  test.each([
    ['many entries', [{ stream: { app: 'a' }, values: values(33_000) }], 1],
    ['many pairs', [{ stream: { app: 'a' }, values: values(700, 100) }], 1],
    ['a stream named often', named(2_100), 1],
    ['a batch of an agent', [{ stream: { app: 'a' }, values: values(5_000, 3) }, ...named(500)], 0],
  ])('%s', async (_, pushed, elsewhere) => {
    const workers = inlineWorkers();
    const tasks: string[] = [];
    const run = workers.run.bind(workers);
    workers.run = (task, ...rest) => {
      tasks.push(task.name);
      return run(task, ...rest);
    };
    let ms = 0;
    const clock = new StoppedClock(nowMs);
    clock.monotonicMs = () => ms++;
    const limits = buildLimits(new Map([['ingestion_rate_mb', 1000], ['ingestion_burst_size_mb', 1000], ['max_structured_metadata_entries_count', 1000]]), { maxReturnedStreamErrors: 10 }); // prettier-ignore
    let pauses = 0;
    const timers = new NodeTimers();
    timers.sleep = () => Promise.resolve(void pauses++);
    const deps = { workers, timers, clock };
    const { push: send, log } = testDistributor({ deps, nowMs, limits: () => limits });
    const answer = await send('t', { body: json({ streams: pushed }) });
    expect([answer.status, String(answer.body ?? '')]).toEqual([204, '']);
    expect(tasks.filter((name) => name === 'distributor.decodePush')).toHaveLength(elsewhere);
    // Others have the thread in between.
    expect(pauses > 0).toBe(elsewhere === 1);
    const entries = (pushed as { values: unknown[] }[]).reduce(
      (sum, stream) => sum + stream.values.length,
      0,
    );
    expect(storedEntries(log)).toHaveLength(entries);
  });
});

describe('memory of what is accepted', () => {
  const mib = 1 << 20;
  const value = [String(nowNs), 'x'.repeat(1000)];
  const values = Array.from({ length: 1000 }, () => value);
  /** 1 MB that came as 5 KB. */
  const small = gzipSync(json({ streams: [{ stream: { app: 'a' }, values }] }));
  const limits = buildLimits(
    new Map([
      ['ingestion_rate_mb', 1000],
      ['ingestion_burst_size_mb', 1000],
    ]),
    {
      maxReturnedStreamErrors: 10,
    },
  );

  // 200 connections with 8 MB in 40 KB each were all decompressed, most of them in vain, and ended a process
  // in 512 MiB.
  test('what finds no room waits before it is decompressed', async () => {
    const decoding = countedDecoding();
    const { push: send, log } = testDistributor({
      options: { inflightBytesMax: 16 * mib },
      nowMs,
      limits: () => limits,
      deps: { workers: decoding.workers },
    });
    let release = (): void => {};
    log.gate = new Promise((resolve) => (release = resolve));
    const entry = [String(nowNs), 'x'.repeat(1000)];
    const large = gzipSync(json({ streams: [{ stream: { app: 'a' }, values: Array(4000).fill(entry) }] }));
    const answers = Array.from({ length: 40 }, () =>
      send('t', { body: Buffer.from(Uint8Array.from(large)), headers: headers('application/json', 'gzip') }),
    );
    await eventually(() => decoding.count > 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(decoding.count).toBeLessThanOrEqual(4);
    release();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([204]));
    expect(decoding.count).toBe(40);
  });

  // The thread for large bodies served them in their order: a small one stood behind 200.
  test('few are decoded side by side, and each tenant has its turn', async () => {
    const workers = inlineWorkers();
    const begun: { path: string; end: () => void }[] = [];
    const run = workers.run.bind(workers);
    workers.run = async (task, input, ...rest) => {
      if (task.name === 'distributor.decodePush') {
        const { body } = input as { body: Buffer };
        await new Promise<void>((resolve) =>
          begun.push({ path: /"app":"(\w+)"/.exec(body.toString('latin1'))![1], end: resolve }),
        );
      }
      return run(task, input, ...rest);
    };
    const { push: send } = testDistributor({
      options: { inlineBytesMax: 64 * 1024 },
      nowMs,
      limits: () => limits,
      deps: { workers },
    });
    const large = (app: string) =>
      json({
        streams: [{ stream: { app }, values: Array(100).fill([String(nowNs), 'x'.repeat(1000)]) }],
      });
    const answers = Array.from({ length: 20 }, () => send('a', { body: large('noisy') }));
    answers.push(send('b', { body: large('quiet') }));
    expect(
      (
        await send('a', {
          body: json({ streams: [{ stream: { app: 'a' }, values: [[String(nowNs), 'y']] }] }),
        })
      ).status,
    ).toBe(204);
    const order: string[] = [];
    for (let ended = 0; ended < answers.length; ended++) {
      while (begun.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(begun.length).toBeLessThanOrEqual(2);
      const { path, end } = begun.shift()!;
      order.push(path);
      end();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(answers.map(() => 204));
    expect(order.indexOf('quiet')).toBeLessThanOrEqual(3);
  });

  test('a tenant that exceeds its rate is decoded elsewhere, and reads how much it sent', async () => {
    const decoding = countedDecoding();
    const { push: send, clock } = testDistributor({
      nowMs,
      limits: () => ({ ...limits, ingestionRateBytes: 1000, ingestionBurstBytes: 50_000 }),
      deps: { workers: decoding.workers },
    });
    const values = Array(100).fill([String(nowNs), 'x'.repeat(1000)]);
    const body = json({ streams: [{ stream: { app: 'a' }, values }] });
    const text = expect.stringContaining("attempting to ingest '100' lines totaling '100000' bytes");
    for (const count of [0, 1, 2]) {
      const answer = await send('t', { body: Buffer.from(Uint8Array.from(body)) });
      expect([answer.status, String(answer.body), decoding.count]).toEqual([429, text, count]);
    }
    clock.ms += 2_000;
    expect((await send('t', { body })).status).toBe(429);
    expect(decoding.count).toBe(2);
  });

  // The size that gzip names is the sender's word, and other encodings name none.
  test.each(bombs(12 * mib))(
    '%s: a body has no more room than is counted for it, whatever it claims',
    async (_, path, body, bodyHeaders) => {
      const workers = inlineWorkers();
      const counted: number[] = [];
      const rooms: number[] = [];
      const run = workers.run.bind(workers);
      const metrics = new Metrics();
      const observer = distributorMetrics(metrics);
      let inflight = 0;
      workers.run = (task, input, ...rest) => {
        if (task.name === 'distributor.decodePush') {
          counted.push(inflight);
          rooms.push((input as { bounds: { decompressedBytesMax: number } }).bounds.decompressedBytesMax);
        }
        return run(task, input, ...rest);
      };
      const { push: send } = testDistributor({
        options: {
          inflightBytesMax: 64 * mib,
          decompressedBytesMax: 8 * mib,
          inlineBytesMax: mib / 2,
          inlineOtlpBytesMax: mib / 2,
        },
        nowMs,
        limits: () => limits,
        deps: { workers, metrics: { ...observer, inflightBytes: (bytes) => void (inflight = bytes) } },
      });
      const answer = await send('t', {
        path,
        body: Buffer.from(Uint8Array.from(body)),
        headers: bodyHeaders,
      });
      expect([answer.status, String(answer.body)]).toEqual([413, expect.stringContaining('decompressed')]);
      expect(rooms.at(-1)).toBe(8 * mib);
      for (let i = 0; i < rooms.length; i++) expect(rooms[i]).toBeLessThanOrEqual(counted[i]);
      expect(inflight).toBe(0);
    },
  );

  test.each(bombs(6 * mib, true))(
    '%s: a large body that claims nothing, or a lie, is taken after all',
    async (_, path, body, bodyHeaders) => {
      const { push: send, log } = testDistributor({
        options: { inlineBytesMax: mib / 16, inlineOtlpBytesMax: mib / 16 },
        nowMs,
        limits: () => limits,
      });
      const answer = await send('t', {
        path,
        body: Buffer.from(Uint8Array.from(body)),
        headers: bodyHeaders,
      });
      expect(answer.status).toBeLessThan(300);
      expect(storedEntries(log)).toHaveLength(Math.ceil((6 * mib) / 1024 / 1.024));
    },
  );

  test('counts what pushes are decompressed, until the log has acknowledged them', async () => {
    // Waits end by the turns of this test: pushes that have room are decoded in time on any machine.
    const time = new ManualTime();
    const { push: send, log } = testDistributor({
      options: { inflightBytesMax: 8 * mib, waitMsMax: 500 },
      nowMs,
      limits: () => limits,
      deps: {
        clock: { nowMs: () => nowMs, nowNs: () => nowNs, monotonicMs: () => time.monotonicMs() },
        timers: time,
      },
    });
    let release = (): void => {};
    log.gate = new Promise((resolve) => (release = resolve));
    const statuses: number[] = [];
    const request = () => ({
      body: Buffer.from(Uint8Array.from(small)),
      headers: headers('application/json', 'gzip'),
    });
    const waiting = Array.from({ length: 40 }, async () => {
      statuses.push((await send('t', request())).status);
    });
    await time.passUntil(eventually(() => statuses.filter((status) => status === 503).length >= 33));
    // A small push of another tenant is still accepted: it waits for the log.
    const other = send('other', {
      body: json({ streams: [{ stream: { app: 'b' }, values: [[String(nowNs), 'y']] }] }),
    });
    release();
    await time.passUntil(Promise.all(waiting));
    expect((await time.passUntil(other)).status).toBe(204);
    expect(statuses.filter((status) => status === 204).length).toBeGreaterThanOrEqual(4);
    log.gate = Promise.resolve();
    expect((await time.passUntil(send('t', request()))).status).toBe(204);
  });
});
