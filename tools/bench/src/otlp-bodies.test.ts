import { decodeOtlpLogs } from '@loki/proto';
import { otlpJson, otlpProtobuf } from './otlp-bodies.ts';
import type { PushBody } from './otlp-bodies.ts';

const line = `${'long '.repeat(60)}line`;
const push: PushBody = {
  streams: [
    {
      stream: { app: 'web', stream: 'stderr', zone: 'a' },
      values: [['1700000000000000001', line, { trace_id: '7f' }]],
    },
    { stream: { app: 'db' }, values: [['1700000000000000002', 'short']] },
  ],
};

test('a body of OTLP has the lines, times and attributes of the push', () => {
  const resources: object[] = [];
  const records: object[] = [];
  const bytes = otlpProtobuf(push);
  decodeOtlpLogs(bytes, {
    resource: ({ attributes }) => resources.push(attributes),
    scope: () => undefined,
    record: ({ timeNs, lineStart, lineEnd, attributes }) =>
      records.push({ timeNs, line: bytes.toString('utf8', lineStart, lineEnd), attributes }),
  });
  expect(resources).toEqual([
    [
      { key: 'service.name', value: 'web' },
      { key: 'container.name', value: 'stderr' },
      { key: 'zone', value: 'a' },
    ],
    [{ key: 'service.name', value: 'db' }],
  ]);
  expect(records).toEqual([
    { timeNs: 1700000000000000001n, line, attributes: [{ key: 'trace_id', value: '7f' }] },
    { timeNs: 1700000000000000002n, line: 'short', attributes: [] },
  ]);
  expect(JSON.parse(otlpJson(push).toString())).toMatchObject({
    resourceLogs: [
      {
        resource: {
          attributes: [
            { key: 'service.name', value: { stringValue: 'web' } },
            { key: 'container.name' },
            { key: 'zone' },
          ],
        },
        scopeLogs: [{ logRecords: [{ timeUnixNano: '1700000000000000001', body: { stringValue: line } }] }],
      },
      {},
    ],
  });
});
