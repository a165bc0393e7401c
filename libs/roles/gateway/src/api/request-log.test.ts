/**
 * Protects: slow requests are logged with their query, and no client can flood the log by
 * it.
 */
import { LokiError } from '@loki/model';
import type { Clock, HttpRequest, HttpResponse, LogFields, Logger } from '@loki/ports';
import { getRequest } from '../test/gateway.ts';
import { RequestLog } from './request-log.ts';
import type { RequestLogOptions } from './request-log.ts';

let nowMs = 0;
const clock: Clock = { nowMs: () => nowMs, nowNs: () => 0n, monotonicMs: () => nowMs };
let lines: (LogFields & { msg: string })[];
const logger: Logger = {
  debug() {},
  info: (msg, fields = {}) => void lines.push({ msg, ...fields }),
  warn() {},
  error() {},
  child: () => logger,
};
beforeEach(() => {
  nowMs = 0;
  lines = [];
});

const off: RequestLogOptions = { slowerThanMs: 0, statsEnabled: false, headers: [] };

function watched(options: Partial<RequestLogOptions>, tookMs: number, answer: () => HttpResponse) {
  return new RequestLog({ clock, logger }, { ...off, ...options }).watch(() => {
    nowMs += tookMs;
    return answer();
  });
}

const ok = () => ({ status: 200, body: 'ä!' });
const request: HttpRequest = {
  ...getRequest({ query: '{a="b"} |= "x"', start: '1', 'odd\nname': 'v' }),
  path: '/loki/api/v1/query_range',
  headers: new Map([
    ['host', 'logs:3100'],
    ['user-agent', 'curl/8'],
    ['x-query-tags', 'Source=me'],
    ['authorization', 'secret'],
  ]),
};

test('without the log the handler is returned unchanged', () => {
  expect(new RequestLog({ clock, logger }, off).watch(ok)).toBe(ok);
});

test('what takes longer than it may is told of, with what was asked', async () => {
  const options = { slowerThanMs: 1000, headers: ['X-Query-Tags', 'X-Absent'] };
  await watched(options, 1000, ok)(request);
  expect(lines).toEqual([]);
  await watched(options, 1500, ok)(request);
  expect(lines).toEqual([
    {
      msg: 'slow query detected',
      component: 'frontend',
      method: 'GET',
      host: 'logs:3100',
      path: '/loki/api/v1/query_range',
      time_taken: '1.5s',
      status_code: 200,
      param_query: '{a="b"} |= "x"',
      param_start: '1',
      param_odd_name: 'v',
      header_x_query_tags: 'Source=me',
    },
  ]);
});

test('a negative bound means every request, failed ones too', async () => {
  const fails = watched({ slowerThanMs: -1 }, 0, () => {
    throw new LokiError('timeout', 'too slow');
  });
  await expect(fails(request)).rejects.toThrow('too slow');
  await watched({ slowerThanMs: -1 }, 0, ok)(request);
  expect(lines.map(({ status_code }) => status_code)).toEqual([504, 200]);
});

test('statistics come for each request, with what the answer took', async () => {
  await watched({ statsEnabled: true }, 20, ok)(request);
  expect(lines).toMatchObject([
    {
      msg: 'query stats',
      component: 'query-frontend',
      path: '/loki/api/v1/query_range',
      user_agent: 'curl/8',
      status_code: 200,
      response_time: '20ms',
      response_size_bytes: 3,
      param_query: '{a="b"} |= "x"',
    },
  ]);
});

test('a streamed answer is over with its last piece', async () => {
  const handler = watched({ statsEnabled: true }, 5, () => ({
    status: 200,
    stream: (async function* () {
      yield await Promise.resolve('four');
      nowMs += 95;
      yield Buffer.from('six...');
    })(),
  }));
  const { stream } = await handler(request);
  expect(lines).toEqual([]);
  const pieces = [];
  for await (const piece of stream!) pieces.push(String(piece));
  expect(pieces).toEqual(['four', 'six...']);
  expect(lines).toMatchObject([{ response_time: '100ms', response_size_bytes: 10 }]);
});

test('parameters that cannot be read are not shown, and the line is there all the same', async () => {
  await watched({ slowerThanMs: -1 }, 5, ok)({ ...request, queryText: 'query=%zz' });
  expect(lines).toMatchObject([{ msg: 'slow query detected', status_code: 200 }]);
});

test('texts of clients are bounded in the log', async () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`p${i}`, 'x']));
  const long = { ...request, queryText: new URLSearchParams({ query: 'q'.repeat(4e5), ...many }).toString() };
  await watched({ slowerThanMs: -1 }, 0, ok)(long);
  expect(Object.keys(lines[0]).filter((name) => name.startsWith('param_'))).toHaveLength(32);
  expect((lines[0]['param_query'] as string).length).toBe(4096);
});
