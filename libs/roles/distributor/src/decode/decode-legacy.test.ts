/** Protects old senders of `/api/prom/push`, and the error texts for them; texts of json-iterator 1.1.12. */
import { LokiError, parseTenantId } from '@loki/model';
import { PushRows } from '../rows/push-rows.ts';
import { StreamCache } from '../streams/stream-cache.ts';
import { defaultLimits } from '../test/distributor.ts';
import { decodeLegacyPush } from './decode-legacy.ts';

const streams = new StreamCache(2 ** 20).lookup(parseTenantId('t'), defaultLimits);
const rows = new PushRows();

/** Streams with `[seconds, nanos, line]` of their entries, or the error's text. */
function decoded(body: string): unknown {
  try {
    decodeLegacyPush(Buffer.from(body), rows, streams);
  } catch (error) {
    expect(error).toBeInstanceOf(LokiError);
    return (error as LokiError).message;
  }
  return rows.streams.map((stream, index) => [
    stream.text,
    Array.from({ length: rows.streamRowEnd(index) - rows.streamFirstRow[index] }, (_, i) => {
      const row = rows.streamFirstRow[index] + i;
      const line = rows.lineBuffer(row).toString('utf8', rows.lineStart[row], rows.lineEnd[row]);
      return [rows.seconds[row], rows.nanos[row], line];
    }),
  ]);
}

const entry = (fields: string) => `{"streams":[{"labels":"{a=\\"b\\"}","entries":[{${fields}}]}]}`;
const stream = '{a="b", service_name="unknown_service"}';

test.each([
  ['null', []],
  ['{}', []],
  ['{"streams":null}', []],
  [
    entry('"ts":"2026-11-23T07:00:00.5Z","line":"x\\n","foo":[1,{}]'),
    [[stream, [[1_795_417_200, 5e8, 'x\n']]]],
  ],
  [entry('"LINE":"y","Ts":"2026-11-23T08:00:00+01:00"'), [[stream, [[1_795_417_200, 0, 'y']]]]],
  [entry('"ts":null,"line":null'), [[stream, [[-62_135_596_800, 0, '']]]]],
  [
    '{"streams":[{"entries":[{"line":"z"}],"labels":"{a=\\"b\\"}"}]} rest',
    [[stream, [[-62_135_596_800, 0, 'z']]]],
  ],
  ['{"streams":[{"stream":{"a":"b"},"values":[["1","x"]]}]}', [['{service_name="unknown_service"}', []]]],
])('%s is read', (body, expected) => expect(decoded(body)).toEqual(expected));

const request = 'logproto.PushRequest.Streams: []logproto.Stream: ';
const inEntry = `${request}logproto.Stream.Entries: []logproto.Entry: logproto.Entry.`;

test.each([
  ['', 'EOF'],
  ['hello', 'readObjectStart: expect { or n, but found h'],
  ['{"streams":{}}', `${request}decode slice: expect [ or n, but found {`],
  ['{"streams":[5]}', `${request}readObjectStart: expect { or n, but found 5`],
  ['{"streams":[{"labels":5}]}', `${request}logproto.Stream.Labels: ReadString: expects " or n, but found 5`],
  ['{"streams":[{"labels" "x"}]}', `${request}logproto.Stream.readFieldHash: expect :, but found "`],
  ['{"streams":[{"labels":"x"},]}', `${request}readObjectStart: expect { or n, but found ]`],
  [
    '{"streams":[{"labels":"{app=',
    `${request}logproto.Stream.Labels: readStringSlowPath: unexpected end of input`,
  ],
  [entry('"line":5'), `${inEntry}Line: ReadString: expects " or n, but found 5`],
  [
    entry('"ts":5'),
    `${inEntry}Timestamp: unmarshalerDecoder: Time.UnmarshalJSON: input is not a JSON string`,
  ],
  [
    entry('"ts":"x"'),
    `${inEntry}Timestamp: unmarshalerDecoder: parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"`,
  ],
])('%s is refused: %s', (body, message) => {
  const text = decoded(body) as string;
  expect(text.replace(/, error found in .*$/s, '')).toBe(message);
});
