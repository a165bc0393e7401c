/** Bodies of pushes in every format that is accepted, decoded, and pushed as a whole. */
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { parseTenantId } from '@loki/model';
import { encodePushRequest, ProtoError } from '@loki/proto';
import { refusalOf } from '@loki/test-tools';
import type { FuzzTarget } from '@loki/test-tools';
import { MetadataNames } from '../rows/metadata-names.ts';
import { PushRows } from '../rows/push-rows.ts';
import { StreamCache } from '../streams/stream-cache.ts';
import { defaultLimits, testDistributor } from '../test/distributor.ts';
import { encodeOtlpRequest } from '../test/otlp.ts';
import { decodeJsonFast } from './decode-json-fast.ts';
import { decodeJsonSlow } from './decode-json.ts';
import { decodePush } from './decode-push.ts';
import type { PushBody } from './decode-push.ts';
import { OtlpActionsCache } from './otlp-actions-cache.ts';
import { SnappyDecoder } from './snappy-decoder.ts';

const mib = 2 ** 20;
const streams = new StreamCache(2 ** 20).lookup(parseTenantId('t'), defaultLimits);
const rows = new PushRows();
const context = {
  rows,
  snappy: new SnappyDecoder(),
  streams,
  limits: defaultLimits,
  actions: () => new OtlpActionsCache([]).of(defaultLimits),
  names: new MetadataNames(),
  nowMs: 1_768_000_000_000,
  bounds: { recvBytesMax: mib, decompressedBytesMax: mib },
};

const isRefusal = refusalOf('badRequest', 'bodyTooLarge');

/** Rows as text: equal texts are equal pushes. */
function shown(from: PushRows, encoding: 'latin1' | 'utf8'): string {
  const texts: unknown[] = [];
  for (const [index, { text }] of from.streams.entries()) {
    for (let row = from.streamFirstRow[index]; row < from.streamRowEnd(index); row++) {
      const line = from.lineBuffer(row).toString(encoding, from.lineStart[row], from.lineEnd[row]);
      const first = from.pairStart(row);
      const pairs = [
        from.pairNames.slice(first, from.pairEnd[row]),
        from.pairValues.slice(first, from.pairEnd[row]),
      ];
      texts.push([from.seconds[row], from.nanos[row], line, pairs]);
    }
    texts.push(text);
  }
  return JSON.stringify(texts);
}

/** Decodes, and proves that each row lies within the bytes that it names. */
function decode(push: Omit<PushBody, 'body'>, body: Buffer): string {
  decodePush({ ...push, body }, context);
  for (let row = 0; row < rows.rowCount; row++) {
    const [start, end] = [rows.lineStart[row], rows.lineEnd[row]];
    if (!(start <= end && end <= rows.lineBuffer(row).length)) {
      throw new Error(`row ${row} is out of its bytes`);
    }
    if (!Number.isInteger(rows.seconds[row]) || rows.nanos[row] < 0 || rows.nanos[row] > 999_999_999) {
      throw new Error(`row ${row} has no time`);
    }
  }
  return `${rows.streams.length} ${rows.rowCount}`;
}

const json = [
  '{"streams":[{"stream":{"app":"a","b":"c\\n"},"values":[["1700000000000000000","line \\"x\\"",{"k":"v"}],["2",""]]}]}',
  '{"streams":[{"stream":{"app":"a"},"values":[["1768000000000000000","level=error msg=\\"a b\\" n=1"],["1768000000000000001","{\\"level\\":\\"warn\\"}"]]},{"stream":{},"values":[]}]}',
  '{"STREAMS":null,"streams":[{"values":[[]],"stream":{"a":5,"b":["c",{}],"\\u0061":null}}],"x":[1e5,-0.5,true]}',
];
/** A line that is no UTF-8. */
const noUtf8 = Buffer.from('{"streams":[{"stream":{"a":"b"},"values":[["1","\xff"]]}]}', 'latin1');
const legacy = [
  '{"streams":[{"labels":"{a=\\"b\\", c=\\"d\\"}","entries":[{"ts":"2026-11-23T07:00:00.5Z","line":"x\\n"},{"ts":null,"line":null}]}]}',
];
const otlp = {
  resourceLogs: [
    {
      resource: {
        attributes: [
          { key: 'service.name', value: { stringValue: 'shop' } },
          { key: 'deep', value: { kvlistValue: { values: [{ key: 'a', value: { arrayValue: { values: [{ intValue: '5' }, { boolValue: true }] } } }] } } },
        ],
      },
      scopeLogs: [
        {
          scope: { name: 'lib', version: '1', attributes: [{ key: 's', value: { doubleValue: 0.5 } }] },
          logRecords: [
            { timeUnixNano: '1768000000000000000', severityNumber: 9, severityText: 'Info', body: { stringValue: 'paid' }, traceId: '0102030405060708090a0b0c0d0e0f10', spanId: '0102030405060708', flags: 1, attributes: [{ key: 'user.id', value: { stringValue: 'ż' } }, { key: 'raw', value: { bytesValue: 'AAEC' } }] },
            { observedTimeUnixNano: '1768000000000000000', body: { kvlistValue: { values: [{ key: 'a', value: { stringValue: 'b' } }] } } },
          ],
        },
      ],
    },
  ],
}; // prettier-ignore

const protobuf = [
  encodePushRequest({
    streams: [
      {
        labels: '{app="a", pod="x"}',
        entries: [
          { timestampNs: 1_768_000_000_000_000_000n, line: 'level=info done', metadata: [['trace', 'abc']] },
          { timestampNs: 1n, line: '', metadata: [] },
        ],
      },
      { labels: '{}', entries: [] },
    ],
  }),
].map((each) => Buffer.from(each));

const jsonWords = [
  '"streams"',
  '"stream"',
  '"values"',
  '"labels"',
  '"entries"',
  '"ts"',
  '"line"',
  '[["1","a"]]',
  '\\"',
  '\\ud83d\\ude00',
  '\\ud800',
  '1e400',
  '-',
];
const otlpWords = ['"resourceLogs"', '"scopeLogs"', '"logRecords"', '"body"', '"attributes"', '"key"', '"value"', '"stringValue"', '"kvlistValue"', '"arrayValue"', '"values"', '"bytesValue"', '"intValue"', '"doubleValue"', '"timeUnixNano"', '"severityNumber"', '"traceId"']; // prettier-ignore

const encodings = ['', 'gzip', 'deflate', 'zstd', 'lz4', 'snappy'] as const;

/** The first byte of an input tells how the rest is pushed. */
function envelope(input: Buffer): {
  kind: PushBody['kind'];
  contentType: string;
  encoding: string;
  body: Buffer;
} {
  const way = input[0] ?? 0;
  return {
    kind: (['push', 'legacy', 'otlp'] as const)[way % 3],
    contentType: ['application/json', 'application/x-protobuf'][(way >> 2) % 2],
    encoding: encodings[(way >> 3) % encodings.length],
    body: input.subarray(1),
  };
}

/** The envelope's first byte for a way to push. */
function way(kind: number, content: number, encoding: (typeof encodings)[number]): number {
  for (let byte = 0; byte < 256; byte++) {
    if (
      byte % 3 === kind &&
      (byte >> 2) % 2 === content &&
      (byte >> 3) % encodings.length === encodings.indexOf(encoding)
    ) {
      return byte;
    }
  }
  throw new Error('no byte says so');
}

const enveloped = (kind: number, content: number, encoding: (typeof encodings)[number], body: Uint8Array) =>
  Buffer.concat([Buffer.from([way(kind, content, encoding)]), body]);

const otlpJson = Buffer.from(JSON.stringify(otlp));
const otlpProtobuf = encodeOtlpRequest(otlp);
const compressed = [
  enveloped(0, 0, 'gzip', gzipSync(json[0])),
  enveloped(0, 0, 'gzip', Buffer.concat([gzipSync(json[0]), gzipSync('  ')])),
  enveloped(0, 0, 'deflate', deflateSync(json[1])),
  enveloped(0, 0, 'deflate', deflateRawSync(json[1])),
  enveloped(0, 1, '', compressSync(protobuf[0])),
  enveloped(0, 1, 'gzip', gzipSync(compressSync(protobuf[0]))),
  enveloped(2, 0, 'zstd', zstdCompressSync(otlpJson)),
  enveloped(2, 1, 'zstd', Buffer.concat([zstdCompressSync(otlpProtobuf), zstdCompressSync(otlpProtobuf)])),
  enveloped(2, 1, 'lz4', compressFrameSync(Buffer.concat([otlpProtobuf, otlpProtobuf]))),
  enveloped(2, 1, 'gzip', gzipSync(Buffer.alloc(60_000))),
  enveloped(1, 0, '', Buffer.from(legacy[0])),
  enveloped(1, 1, 'snappy', compressSync(Buffer.concat(Array.from({ length: 40 }, () => protobuf[0])))),
];

const whole = testDistributor({ nowMs: context.nowMs, deps: { writeLog: nullLog() } });

/** A log that takes all and keeps nothing. */
function nullLog() {
  let offset = 0;
  return {
    partitionCount: 4,
    recordBytesMax: 1 << 24,
    append: async () => offset++,
    read: () => Promise.reject(new Error('nothing is read')),
    endOffset: async () => offset,
    startOffset: async () => 0,
    truncateBefore: async () => {},
    close: async () => {},
  };
}

const paths = { push: '/loki/api/v1/push', legacy: '/api/prom/push', otlp: '/otlp/v1/logs' };

export const targets: readonly FuzzTarget[] = [
  {
    name: 'push-json',
    shape: 'text',
    corpus: () => json,
    words: jsonWords,
    isRefusal,
    run: (input) => decode({ kind: 'push', contentType: 'application/json', encoding: '' }, input),
  },
  {
    name: 'push-json-readers',
    shape: 'text',
    corpus: () => [...json, noUtf8],
    words: jsonWords,
    isRefusal,
    // Two readers of one format: where the fast one takes a push, it is the push that the complete one reads.
    run: (input) => {
      if (!decodeJsonFast(input, rows, streams)) return 'declined';
      // A text with escapes is read as UTF-8 by the complete reader, and byte by byte by the fast one.
      const encoding = input.includes('\\') ? 'utf8' : 'latin1';
      const fast = shown(rows, encoding);
      decodeJsonSlow(input, rows, streams);
      if (shown(rows, encoding) !== fast) throw new Error('the readers differ');
      return fast;
    },
  },
  {
    name: 'push-legacy',
    shape: 'text',
    corpus: () => legacy,
    words: jsonWords,
    isRefusal,
    run: (input) => decode({ kind: 'legacy', contentType: 'application/json', encoding: '' }, input),
  },
  {
    name: 'push-protobuf',
    shape: 'protobuf',
    corpus: () => protobuf,
    isRefusal: (error) => isRefusal(error) || error instanceof ProtoError,
    run: (input) => {
      const body = compressSync(input);
      return decode({ kind: 'push', contentType: 'application/x-protobuf', encoding: '' }, body);
    },
  },
  {
    name: 'push-snappy',
    shape: 'bytes',
    corpus: () =>
      [...protobuf, ...protobuf.map((each) => Buffer.concat([each, each, each]))].map((each) =>
        compressSync(each),
      ),
    isRefusal,
    run: (input) => context.snappy.decode(input, mib).length,
  },
  {
    name: 'push-otlp-json',
    shape: 'text',
    corpus: () => [otlpJson],
    words: otlpWords,
    isRefusal,
    run: (input) => decode({ kind: 'otlp', contentType: 'application/json', encoding: '' }, input),
  },
  {
    name: 'push-otlp-protobuf',
    shape: 'protobuf',
    corpus: () => [otlpProtobuf],
    isRefusal,
    run: (input) => decode({ kind: 'otlp', contentType: 'application/x-protobuf', encoding: '' }, input),
  },
  {
    name: 'push-compressed',
    shape: 'bytes',
    corpus: () => compressed,
    isRefusal,
    run: (input) => decode(envelope(input), envelope(input).body),
  },
  {
    name: 'push-whole',
    shape: 'text',
    corpus: () => [
      ...compressed,
      ...json.map((each) => enveloped(0, 0, '', Buffer.from(each))),
      enveloped(2, 0, '', otlpJson),
      enveloped(2, 1, '', otlpProtobuf),
    ],
    words: jsonWords,
    isRefusal: () => false,
    // From the request to the answer: every failure is the client's fault, not the server's.
    run: async (input) => {
      const { kind, contentType, encoding, body } = envelope(input);
      const headers = new Map([
        ['content-type', contentType],
        ...(encoding ? [['content-encoding', encoding] as const] : []),
      ]);
      const answer = await whole.push('t', { path: paths[kind], headers, body });
      if (answer.status >= 500) throw new Error(`status ${answer.status}: ${String(answer.body)}`);
      return answer.status;
    },
  },
];
