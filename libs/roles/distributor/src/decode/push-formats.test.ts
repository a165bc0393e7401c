/**
 * Protects lines that a sender's format would lose: one rule holds in each of the six forms of a push, and a
 * push that can never be stored is refused with a status that no sender repeats.
 */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { compressSync } from 'snappy';
import type { Limits } from '@loki/config';
import { bytesField, encodePushRequest } from '@loki/proto';
import { defaultLimits, storedEntries, testDistributor } from '../test/distributor.ts';
import { encodeOtlpRequest } from '../test/otlp.ts';

const nowMs = Date.UTC(2026, 0, 15, 12, 30);
const nowNs = BigInt(nowMs) * 1_000_000n;
const nowText = new Date(nowMs).toISOString();

const jsonType = new Map([['content-type', 'application/json']]);
const protoType = new Map([['content-type', 'application/x-protobuf']]);

interface Request {
  readonly path: string;
  readonly headers: Map<string, string>;
  readonly body: Buffer;
}

type Pairs = readonly (readonly [name: string, value: string])[];

function labelText(labels: Pairs): string {
  return `{${labels.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')}}`;
}

function protoBody(text: string, metadata: Pairs = []): Buffer {
  return compressSync(
    encodePushRequest({
      streams: [{ labels: text, entries: [{ timestampNs: nowNs, line: 'x', metadata: [...metadata] }] }],
    }),
  );
}

function legacyBody(text: string, metadata?: unknown): Buffer {
  const entry = { ts: nowText, line: 'x', structuredMetadata: metadata };
  return Buffer.from(JSON.stringify({ streams: [{ labels: text, entries: [entry] }] }));
}

function jsonBody(labels: Pairs): Buffer {
  const stream = { stream: Object.fromEntries(labels), values: [[String(nowNs), 'x']] };
  return Buffer.from(JSON.stringify({ streams: [stream] }));
}

/** The four forms of a Loki push of one line. */
function lokiForms(labels: Pairs): readonly (readonly [form: string, request: Request])[] {
  const text = labelText(labels);
  return [
    ['JSON', { path: '/loki/api/v1/push', headers: jsonType, body: jsonBody(labels) }],
    ['protobuf', { path: '/loki/api/v1/push', headers: protoType, body: protoBody(text) }],
    ['legacy JSON', { path: '/api/prom/push', headers: jsonType, body: legacyBody(text) }],
    ['legacy protobuf', { path: '/api/prom/push', headers: protoType, body: protoBody(text) }],
  ];
}

interface OtlpParts {
  readonly resource?: readonly object[];
  readonly scope?: readonly object[];
  readonly record?: readonly object[];
  readonly fields?: object;
}

/** Both forms of an OTLP request of one record. */
function otlpForms({ resource = [], scope = [], record = [], fields = {} }: OtlpParts) {
  const logRecord = {
    timeUnixNano: String(nowNs),
    body: { stringValue: 'x' },
    attributes: record,
    ...fields,
  };
  const request = {
    resourceLogs: [
      {
        resource: { attributes: resource },
        scopeLogs: [{ scope: { attributes: scope }, logRecords: [logRecord] }],
      },
    ],
  };
  const path = '/otlp/v1/logs';
  return [
    ['OTLP JSON', { path, headers: jsonType, body: Buffer.from(JSON.stringify(request)) }],
    ['OTLP protobuf', { path, headers: protoType, body: encodeOtlpRequest(request) }],
  ] as const;
}

const attribute = (key: string, stringValue = 'v') => ({ key, value: { stringValue } });
const map = (key: string, ...values: object[]) => ({ key, value: { kvlistValue: { values } } });

/** The status, and what was stored. */
async function pushed(request: Request, limits: Partial<Limits> = {}) {
  const merged = { ...defaultLimits, ...limits };
  const { push, log } = testDistributor({ nowMs, limits: () => merged });
  const answer = await push('t', request);
  return { status: answer.status, text: String(answer.body ?? ''), answer, entries: storedEntries(log) };
}

const numbered = (count: number): Pairs =>
  Array.from({ length: count }, (_, i) => [`l${String(i).padStart(2, '0')}`, 'v'] as const);

describe('a service name never counts as a label name', () => {
  const serviceName: Pairs = [['service_name', 's']];
  const cases: readonly (readonly [what: string, labels: Pairs, status: number])[] = [
    ['the limit', numbered(15), 204],
    ['the limit and a service name', [...numbered(15), ...serviceName], 204],
    ['the limit and an empty service name', [...numbered(15), ['service_name', '']], 204],
    ['one more', numbered(16), 400],
    ['one more and a service name', [...numbered(16), ...serviceName], 400],
  ];
  test.each(cases.flatMap(([what, labels, status]) => lokiForms(labels).map((form) => [...form, what, status] as const)))(
    '%s %#: %s',
    async (_, request, what, status) => {
      const { status: actual, text, entries } = await pushed(request);
      expect([what, actual]).toEqual([what, status]);
      if (status === 204) expect(entries).toHaveLength(1);
      else expect(text).toContain(' has 16 label names; limit 15');
    },
  ); // prettier-ignore

  test('a derived service name does not count in OTLP', async () => {
    const limits = { maxLabelNamesPerSeries: 2 };
    const names = ['service.name', 'service.namespace', 'cloud.region', 'k8s.pod.name'];
    for (const [, request] of otlpForms({ resource: names.slice(0, 3).map((name) => attribute(name)) })) {
      expect((await pushed(request, limits)).status).toBe(204);
    }
    for (const [, request] of otlpForms({ resource: names.map((name) => attribute(name)) })) {
      expect((await pushed(request, limits)).text).toContain(' has 3 label names; limit 2');
    }
  });

  test('a service name of the sender does not count when discovery is off', async () => {
    for (const [, request] of lokiForms([...numbered(15), ...serviceName])) {
      expect((await pushed(request, { discoverServiceName: [] })).status).toBe(204);
    }
  });
});

describe('an OTLP attribute key that can never be stored is the sender`s fault', () => {
  const keys = ['имя', '名前', '😀', '...', ' ', '_', '', '__', '____', '\u0000', '__é__'];
  const places: readonly (readonly [place: string, parts: (key: string) => OtlpParts])[] = [
    ['a record', (key) => ({ record: [attribute('a'), attribute(key)] })],
    ['a resource', (key) => ({ resource: [attribute(key)] })],
    ['a scope', (key) => ({ scope: [attribute(key)] })],
    ['a map', (key) => ({ record: [map('', attribute(key))] })],
    ['a map in a map', (key) => ({ resource: [map('_', map('é', attribute(key)))] })],
  ];
  test.each(
    keys.flatMap((key) =>
      places.flatMap(([place, parts]) => otlpForms(parts(key)).map((form) => [key, place, ...form] as const)),
    ),
  )('%j in %s, %s', async (_key, _place, _form, request) => {
    const { status, text, answer, entries } = await pushed(request);
    expect(status).toBe(400);
    expect(answer.headers).not.toHaveProperty('retry-after');
    expect(text).toMatch(/label name is empty|resulted in invalid name/);
    expect(entries).toEqual([]);
  });

  test.each([
    ['a name with one letter left', { record: [attribute('имя1')] }, { _1: 'v' }],
    ['a key in a map with a name', { record: [map('m', attribute('имя'))] }, { m_: 'v' }],
    ['a key without a value', { record: [attribute('имя', '')] }, {}],
    ['an empty map', { record: [map('имя')] }, {}],
  ])('%s is stored', async (_, parts, metadata) => {
    for (const [, request] of otlpForms(parts)) {
      const { status, entries } = await pushed(request);
      expect(status).toBe(204);
      expect(entries[0].metadata).toEqual({ detected_level: 'unknown', ...metadata });
    }
  });

  test('a Loki push with such metadata keeps its recorded answer', async () => {
    const { status, text } = await pushed({
      path: '/loki/api/v1/push',
      headers: protoType,
      body: protoBody('{app="a"}', [['имя', 'v']]),
    });
    expect([status, text]).toEqual([
      500,
      'normalization for label name "имя" resulted in invalid name "_"\n',
    ]);
  });
});

describe('the encoding of a push is taken off on both paths', () => {
  const text = '{app="a"}';
  const paths = ['/loki/api/v1/push', '/api/prom/push'];
  const encodings: readonly (readonly [encoding: string, encode: (body: Buffer) => Buffer])[] = [
    ['', (body) => body],
    ['snappy', (body) => body],
    ['gzip', (body) => gzipSync(body)],
    ['gzip', (body) => Buffer.concat([gzipSync(body.subarray(0, 9)), gzipSync(body.subarray(9))])],
    ['deflate', (body) => deflateSync(body)],
    ['deflate', (body) => deflateRawSync(body)],
  ];
  const bodyOf = (path: string, type: string): Buffer => {
    if (type === 'protobuf') return protoBody(text);
    return path === '/api/prom/push' ? legacyBody(text) : jsonBody([['app', 'a']]);
  };
  const requestOf = (path: string, type: string, encoding: string, body: Buffer): Request => {
    const headers = new Map(type === 'protobuf' ? protoType : jsonType);
    if (encoding !== '') headers.set('content-encoding', encoding);
    return { path, headers, body };
  };
  const types = ['protobuf', 'JSON'];

  test.each(paths.flatMap((path) => types.flatMap((type) => encodings.map((encoding) => [path, type, ...encoding] as const))))(
    '%s, %s, %j',
    async (path, type, encoding, encode) => {
      const { status, entries } = await pushed(requestOf(path, type, encoding, encode(bodyOf(path, type))));
      expect([status, entries.map(({ line }) => line)]).toEqual([204, ['x']]);
    },
  ); // prettier-ignore

  test.each(['br', 'zstd', 'identity', 'GZIP', 'x-gzip', 'gzip, snappy', 'x'])(
    '%j is refused, whatever the body is',
    async (encoding) => {
      for (const path of paths) {
        for (const type of types) {
          for (const body of [bodyOf(path, type), brotliCompressSync(bodyOf(path, type))]) {
            const outcome = await pushed(requestOf(path, type, encoding, body));
            expect([outcome.status, outcome.text]).toEqual([
              400,
              `Content-Encoding ${JSON.stringify(encoding)} not supported\n`,
            ]);
          }
        }
      }
    },
  );

  test('a protobuf push has to be sound to its end; a JSON push only as far as it is read', async () => {
    const behind: readonly (readonly [Buffer, string])[] = [
      [Buffer.from('garbage bytes'), 'gzip: invalid header'],
      [Buffer.from('\n'), 'unexpected EOF'],
      [Buffer.alloc(10), 'gzip: invalid header'],
    ];
    for (const [bytes, problem] of behind) {
      for (const path of paths) {
        const body = (type: string) => Buffer.concat([gzipSync(bodyOf(path, type)), bytes]);
        const proto = await pushed(requestOf(path, 'protobuf', 'gzip', body('protobuf')));
        expect([proto.status, proto.text, proto.entries.length]).toEqual([400, `${problem}\n`, 0]);
        const json = await pushed(requestOf(path, 'JSON', 'gzip', body('JSON')));
        expect([json.status, json.entries.length]).toEqual([204, 1]);
      }
    }
  });

  test('both layers of a protobuf push are bounded', async () => {
    const { push } = testDistributor({ nowMs, options: { decompressedBytesMax: 100_000 } });
    for (const bytes of [compressSync(Buffer.alloc(1 << 20)), Buffer.alloc(1 << 20)]) {
      const request = requestOf(paths[0], 'protobuf', 'gzip', gzipSync(bytes));
      expect((await push('t', request)).status).toBe(413);
    }
  });
});

describe('a label without a name is refused in every format', () => {
  const texts = ['{""="v"}', '{app="a", ""="v"}', '{""="", app="a"}', '{app="a", ""="v", ""="w"}', '{="v"}'];
  test.each(texts)('%s', async (text) => {
    for (const request of [
      { path: '/loki/api/v1/push', headers: protoType, body: protoBody(text) },
      { path: '/api/prom/push', headers: protoType, body: protoBody(text) },
      { path: '/api/prom/push', headers: jsonType, body: legacyBody(text) },
    ]) {
      const { status, text: message, entries } = await pushed(request);
      expect([status, message.startsWith("couldn't parse labels: "), entries]).toEqual([400, true, []]);
    }
  });

  test('an empty name is refused in JSON, with and without a value', async () => {
    for (const value of ['', 'v']) {
      const { status } = await pushed(lokiForms([['app', 'a'], ['', value]])[0][1]); // prettier-ignore
      expect(status).toBe(400);
    }
  });

  test('the other streams of the push are stored', async () => {
    const stream = (labels: string) => ({ labels, entries: [{ timestampNs: nowNs, line: labels }] });
    const body = compressSync(encodePushRequest({ streams: [stream('{""="v"}'), stream('{app="a"}')] }));
    const { status, entries } = await pushed({ path: '/loki/api/v1/push', headers: protoType, body });
    expect([status, entries.map(({ line }) => line)]).toEqual([400, ['{app="a"}']]);
  });
});

test('a legacy push keeps its structured metadata', async () => {
  const metadata = [{ name: 'trace_id', value: '1' }, { Name: 'a.b', VALUE: '2' }, { name: 'empty' }];
  const request = { path: '/api/prom/push', headers: jsonType, body: legacyBody('{app="a"}', metadata) };
  const { status, entries } = await pushed(request);
  expect([status, entries[0].metadata]).toEqual([
    204,
    { trace_id: '1', a_b: '2', detected_level: 'unknown' },
  ]);
  const proto = await pushed({
    path: '/api/prom/push',
    headers: protoType,
    body: protoBody('{app="a"}', [['trace_id', '1']]),
  });
  expect(proto.entries[0].metadata).toMatchObject({ trace_id: '1' });
});

test.each([
  ['[null,V]', 1],
  ['[V,null]', 1],
  ['[V,null,V]', 1],
  ['[null]', 0],
  ['[null,null]', 0],
  ['null', 0],
])('null among values counts for nothing: %s', async (values, count) => {
  const line = `["${nowNs}","x"]`;
  const body = Buffer.from(`{"streams":[{"stream":{"app":"a"},"values":${values.replaceAll('V', line)}}]}`);
  const { status, entries } = await pushed({ path: '/loki/api/v1/push', headers: jsonType, body });
  expect([status, entries.length]).toEqual([204, count]);
});

test('a severity text that is a label stays metadata too', async () => {
  const limits = { otlp: { ...defaultLimits.otlp, severityTextAsLabel: true } };
  const fields = { severityText: 'WARN', severityNumber: 13 };
  for (const [, request] of otlpForms({ resource: [attribute('service.name', 's')], fields })) {
    const [{ stream, metadata }] = (await pushed(request, limits)).entries;
    expect(stream).toEqual({ service_name: 's', severity_text: 'WARN' });
    expect(metadata).toEqual({ severity_text: 'WARN', severity_number: '13', detected_level: 'warn' });
  }
});

test.each([1, 64, 65, 100, 150, 300, 500])('OTLP values that nest %d deep are taken', async (depth) => {
  const nested = (wrap: (value: object) => object) => {
    let value: object = { stringValue: 'x' };
    for (let i = 0; i < depth; i++) value = wrap(value);
    return value;
  };
  const array = nested((value) => ({ arrayValue: { values: [value] } }));
  const mapped = nested((value) => ({ kvlistValue: { values: [{ key: 'k', value }] } }));
  const arrayText = `${'['.repeat(depth)}"x"${']'.repeat(depth)}`;
  for (const [, request] of otlpForms({
    fields: { body: array },
    record: [{ key: 'a', value: array }, { key: 'm', value: mapped }],
  })) {
    const { status, entries } = await pushed(request);
    expect(status).toBe(204);
    expect(entries[0].line).toBe(arrayText);
    expect(entries[0].metadata).toMatchObject({ a: arrayText, [`m${'_k'.repeat(depth)}`]: 'x' });
  }
}); // prettier-ignore

describe('text that a request makes by repeating what it holds once is bounded', () => {
  const children = (count: number) => Array.from({ length: count }, (_, i) => attribute(`c${i}`));
  const tooLong = 'are too long: more than';

  test.each([
    ['a key of 1 MB over 200 children', { record: [map('k'.repeat(1e6), ...children(200))] }],
    ['a key of 60 KB over 10,000 children', { record: [map('k'.repeat(6e4), ...children(10_000))] }],
    ['on a resource', { resource: [map('k'.repeat(1e6), ...children(200))] }],
    ['on a scope', { scope: [map('k'.repeat(1e6), ...children(200))] }],
    ['in maps in maps', { record: [map('k', map('l'.repeat(1e6), ...children(200)))] }],
    ['without values', { record: [map('k'.repeat(1e6), ...children(200).map(({ key }) => ({ key, value: {} })))] }],
  ])('%s', async (_, parts) => {
    for (const [, request] of otlpForms(parts)) {
      const startMs = process.threadCpuUsage().user / 1_000;
      const { status, text } = await pushed(request);
      expect([status, text.includes(tooLong)]).toEqual([400, true]);
      // It took 4 s: seconds are what the bound is about, not milliseconds.
      expect(process.threadCpuUsage().user / 1_000 - startMs).toBeLessThan(1000);
    }
  }); // prettier-ignore

  test('labels of a resource in the streams of its records', async () => {
    const limits = { otlp: { ...defaultLimits.otlp, severityTextAsLabel: true } };
    const severities = Array.from({ length: 300 }, (_, i) => ({ severityText: `s${i}` }));
    const request = {
      resourceLogs: [
        {
          resource: { attributes: [attribute('service.name', 's'.repeat(1e5))] },
          scopeLogs: [{ logRecords: severities }],
        },
      ],
    };
    const { status, text } = await pushed(
      { path: '/otlp/v1/logs', headers: jsonType, body: Buffer.from(JSON.stringify(request)) },
      limits,
    );
    expect([status, text.includes(tooLong)]).toEqual([400, true]);
  });

  test('maps as agents send them are far from it', async () => {
    const labels = Array.from({ length: 60 }, (_, i) => attribute(`app.kubernetes.io/label-${i}`));
    const kubernetes = map('kubernetes', map('labels', ...labels), map('annotations', ...labels));
    for (const [, request] of otlpForms({ record: [kubernetes] })) {
      const { status, entries } = await pushed(request, { maxStructuredMetadataEntriesCount: 0 });
      expect(status).toBe(204);
      expect(Object.keys(entries[0].metadata)).toHaveLength(121);
    }
  });
});

test('more streams in one push than any agent sends are refused before they are all resolved', async () => {
  const stream = bytesField(1, bytesField(1, Buffer.from('{a="b"}')));
  const body = compressSync(Buffer.concat(Array.from({ length: 70_000 }, () => stream)));
  const { status, text } = await pushed({ path: '/loki/api/v1/push', headers: protoType, body });
  expect([status, text]).toEqual([413, 'request body too large: more than 65536 streams\n']);
});
