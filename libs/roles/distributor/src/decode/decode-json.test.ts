/** Protects: both readers of JSON pushes agree, and damaged bodies are refused in Loki's words. */
import fc from 'fast-check';
import { jsonErrors } from '@loki/go';
import { LokiError, parseTenantId } from '@loki/model';
import { PushRows } from '../rows/push-rows.ts';
import { StreamCache } from '../streams/stream-cache.ts';
import { defaultLimits } from '../test/distributor.ts';
import { decodeJsonFast } from './decode-json-fast.ts';
import { decodeJsonPush, decodeJsonSlow } from './decode-json.ts';

const streams = new StreamCache(2 ** 20).lookup(parseTenantId('t'), defaultLimits);
const rows = new PushRows();

type Decode = (body: Buffer, rows: PushRows, streams: ReturnType<StreamCache['lookup']>) => unknown;

/** Rows as plain values, 'unusual' when the fast reader declines, or the error's text. */
function decoded(decode: Decode, body: string): unknown {
  const before = Buffer.from(body);
  const bytes = Buffer.from(body);
  try {
    if (decode(bytes, rows, streams) === false) return 'unusual';
  } catch (error) {
    expect(error).toBeInstanceOf(LokiError);
    return (error as LokiError).message;
  }
  expect(bytes.equals(before)).toBe(true);
  return rows.streams.map((stream, index) => ({
    stream: stream.text,
    rows: Array.from({ length: rows.streamRowEnd(index) - rows.streamFirstRow[index] }, (_, i) => {
      const row = rows.streamFirstRow[index] + i;
      return {
        time: [rows.seconds[row], rows.nanos[row]],
        line: rows.lineBuffer(row).toString('utf8', rows.lineStart[row], rows.lineEnd[row]),
        pairs: Array.from({ length: rows.pairEnd[row] - rows.pairStart(row) }, (_, j) => {
          const pair = rows.pairStart(row) + j;
          return [rows.pairNames[pair], rows.pairValues[pair], rows.pairBytes[pair]];
        }),
      };
    }),
  }));
}

const request = 'loghttp.PushRequest.';

/** How a fault in a short body ends. */
function near(byte: string, body: string): string {
  return `error found in ${byte} byte of ...|${body}|..., bigger context ...|${body}|...`;
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('{"level":"info"}', 'a\\b"c\n\t\u0001é€😀', '', '\u2028'),
);
const name = fc.constantFrom('app', 'env', 'a_b', 'ż', 'x"y', '');
const pushes = fc.record({
  streams: fc.array(
    fc.record({
      stream: fc.dictionary(name, text, { maxKeys: 3 }),
      values: fc.array(
        fc.oneof(
          fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String), text),
          fc.tuple(
            fc.constantFrom('0', '1', '999999999', '1700000000000000001'),
            text,
            fc.dictionary(name, text, { maxKeys: 2 }),
          ),
        ),
        { maxLength: 4 },
      ),
    }),
    { maxLength: 3 },
  ),
});

/** JSON with white space between tokens, and sometimes escapes that are not needed. */
function spaced(value: unknown, seed: number): string {
  const pretty = JSON.stringify(value, undefined, [undefined, ' ', '\t\r\n'][seed % 3]);
  return seed % 2 === 0
    ? pretty
    : pretty
        .replaceAll('/', '\\/')
        .replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

test('the fast reader yields what the complete one yields, or declines', () => {
  let taken = 0;
  fc.assert(
    fc.property(pushes, fc.nat({ max: 5 }), (push, seed) => {
      const body = spaced(push, seed);
      const fast = decoded(decodeJsonFast, body);
      if (fast === 'unusual') return;
      taken++;
      expect(fast).toEqual(decoded(decodeJsonSlow, body));
    }),
    { numRuns: 500 },
  );
  expect(taken).toBeGreaterThan(150);
});

test('what JSON.stringify makes of text comes back as that text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (line) => {
      const body = JSON.stringify({ streams: [{ stream: { app: 'a' }, values: [['1', line]] }] });
      expect(decoded(decodeJsonFast, body)).toEqual([
        {
          stream: '{app="a", service_name="a"}',
          rows: [{ time: [0, 1], line: line.toWellFormed(), pairs: [] }],
        },
      ]);
    }),
    { numRuns: 500 },
  );
});

test('a damaged body is an error of the catalogue or a push, and both readers agree on pushes', () => {
  const good = JSON.stringify({
    streams: [
      {
        stream: { app: 'a', b: 'c\n' },
        values: [
          ['1700000000000000000', 'line "x"', { k: 'v' }],
          ['2', ''],
        ],
      },
    ],
  });
  const damage = fc.tuple(
    fc.nat({ max: good.length }),
    fc.nat({ max: 3 }),
    fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', 'null', '1', ' ', '\u0000'),
  );
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (changes) => {
      let body = good;
      for (const [at, cut, insert] of changes) body = body.slice(0, at) + insert + body.slice(at + cut);
      const fast = decoded(decodeJsonFast, body);
      const slow = decoded(decodeJsonSlow, body);
      if (fast !== 'unusual') expect(fast).toEqual(slow);
      expect(decoded(decodeJsonPush, body)).toEqual(slow);
    }),
    { numRuns: 1000 },
  );
});

/** Asked of json-iterator 1.1.12 and jsonparser 1.1.1, with a type of one field that reads itself. */
test.each([
  ['', 'EOF'],
  ['[]', `readObjectStart: expect { or n, but found [, ${near('#1', '[]')}`],
  ['{1', `${request}readFieldHash: expect ", but found 1, ${near('#2', '{1')}`],
  ["{'s':1}", `${request}readFieldHash: expect ", but found ', ${near('#2', "{'s':1}")}`],
  ['{"s', `${request}readFieldHash: incomplete field name, ${near('#2', '{"s')}`],
  ['{"x" 1}', `${request}readFieldHash: expect :, but found 1, ${near('#6', '{"x" 1}')}`],
  [
    '{"x":1 "y":2}',
    `${request}isObjectEnd: object ended prematurely, unexpected char ", ${near('#8', '{"x":1 "y":2}')}`,
  ],
  ['{"x":01}', `${request}readFloat32: leading zero is invalid, ${near('#5', '{"x":01}')}`],
  ['{"x":1.}', `${request}validateNumber: missing digit after dot, ${near('#6', '{"x":1.}')}`],
  ['{"x":-}', `${request}readNumberAsString: invalid number, ${near('#6', '{"x":-}')}`],
  ['{"a":tru}', `${request}skipThreeBytes: expect rue, ${near('#9', '{"a":tru}')}`],
  ['{"x":[1,]}', `${request}Skip: do not know how to skip: 93, ${near('#9', '{"x":[1,]}')}`],
  ['{"x":{a:1}}', `${request}ReadObjectCB: expect " after {, but found a, ${near('#7', '{"x":{a:1}}')}`],
  ['{"x":[', `${request}Skip: do not know how to skip: 0, ${near('#6', '{"x":[')}`],
])('%j is refused in the words of the Go parser', (body, message) => {
  expect(decoded(decodeJsonPush, body)).toBe(message);
});

test.each([
  ['', 'EOF'],
  ['{"streams"', `${request}unexpected EOF`],
  ['{"streams":[{"stream":{"a":"b"},"val', `${request}Streams: []loghttp.LogProtoStream: unexpected EOF`],
  ['{"x":12', `${request}unexpected EOF`],
  ['{"x":tr', `${request}unexpected EOF`],
  ['{', `${request}unexpected EOF`],
])('%j, then a cut: %s', (body, message) => {
  const decode: Decode = (bytes, to, lookup) => decodeJsonPush(bytes, to, lookup, 'unexpected EOF');
  expect(decoded(decode, body)).toBe(message);
  expect(decoded(decode, '{"streams":[{"stream":{"a":"b"},"values":[["1","x"]]}]}')).toHaveLength(1);
});

/** Values of a type that a push has no use for: what jsonparser says of each. */
test.each([
  ['{}', 'Unknown value type'],
  ['"x"', 'Malformed JSON error'],
  ['true', 'Unknown value type'],
  ['["x"]', 'Malformed JSON error'],
  ['[[5,"a"]]', jsonErrors.value],
  ['[["","a"]]', jsonErrors.value],
  ['[["5.5","a"]]', jsonErrors.value],
  ['[["+5","a"]]', jsonErrors.value],
  ['[["9223372036854775808","a"]]', 'Value is number, but overflowed while parsing'],
  ['[["1",null]]', jsonErrors.string],
  ['[["1","a",null]]', jsonErrors.object],
  ['[["1","a",["k","v"]]]', jsonErrors.object],
  ['[["1","a",{"k":null}]]', jsonErrors.string],
  [String.raw`[["1","\ud800"]]`, jsonErrors.value],
  [String.raw`[["1","a",{"\ud800":"v"}]]`, 'Encountered an invalid escape sequence in a string'],
])('values %s are refused: %s', (values, problem) => {
  const body = `{"streams":[{"stream":{"a":"b"},"values":${values}}]}`;
  const message = decoded(decodeJsonPush, body) as string;
  expect(message.slice(0, message.indexOf(', error found in'))).toBe(
    `${request}Streams: []loghttp.LogProtoStream: unmarshalerDecoder: ${problem}`,
  );
});

test.each([
  ['{"a":5}', '{a="5", service_name="unknown_service"}'],
  ['{"a":null,"b":true}', '{a="null", b="true", service_name="unknown_service"}'],
  ['{"a":["b", 1]}', String.raw`{a="[\"b\", 1]", service_name="unknown_service"}`],
  ['{"a":{"b":"c"}}', String.raw`{a="{\"b\":\"c\"}", service_name="unknown_service"}`],
  [String.raw`{"\u0061":"\u0062"}`, '{a="b", service_name="unknown_service"}'],
])('a label value that is no string counts as it is written: %s', (labels, text) => {
  const body = `{"streams":[{"stream":${labels},"values":[["1","x"]]}]}`;
  expect(decoded(decodeJsonPush, body)).toEqual([
    { stream: text, rows: [{ time: [0, 1], line: 'x', pairs: [] }] },
  ]);
});

test('an entry without a timestamp is of the year 1, and of two fields named streams the last counts', () => {
  const body =
    '{"STREAMS":[{"stream":{"a":"b"},"values":[["1","x"]]}],"streams":[{"stream":{"a":"c"},"values":[[]]}]}';
  expect(decoded(decodeJsonPush, body)).toEqual([
    {
      stream: '{a="c", service_name="unknown_service"}',
      rows: [{ time: [-62_135_596_800, 0], line: '', pairs: [] }],
    },
  ]);
});

test('nesting without end is refused', () => {
  const body = `{"x":${'['.repeat(20_000)}`;
  expect(decoded(decodeJsonPush, body)).toMatch(/exceeded max depth/);
});
