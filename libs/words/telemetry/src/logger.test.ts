import { createLogger } from './logger.ts';
import type { LogFormat, LogLevel } from './logger.ts';

const clock = { nowMs: () => 1_700_000_000_123, nowNs: () => 0n, monotonicMs: () => 0 };

function capture(format: LogFormat, level: LogLevel = 'info') {
  const lines: string[] = [];
  const counted: string[] = [];
  const { logger, control } = createLogger({
    clock,
    format,
    level,
    write: (line) => lines.push(line),
    onLine: (each) => counted.push(each),
  });
  return { lines, counted, logger, control };
}

test('lines look like Loki’s: level, ts, caller, message, then the rest', () => {
  const { lines, logger } = capture('logfmt');
  logger
    .child({ component: 'ingester' })
    .info('flush done', { bytes: 12, path: 'a b', err: new Error('x="y"') });
  expect(lines).toEqual([
    expect.stringMatching(
      /^level=info ts=2023-11-14T22:13:20\.123Z caller=logger\.test\.ts:\d+ component=ingester msg="flush done" bytes=12 path="a b" err="x=\\"y\\""\n$/,
    ),
  ]);
});

test('a field may name the caller itself: query lines are found by caller=metrics.go', () => {
  const { lines, logger } = capture('logfmt');
  logger.info('', { caller: 'metrics.go:237' });
  expect(lines[0]).toContain(' caller=metrics.go:237 ');
});

test.each<LogFormat>(['logfmt', 'json'])(
  'no field takes the place of level, time and message: %s',
  (format) => {
    const { lines, logger } = capture(format);
    logger.info('compacted', { level: 2, ts: 3, msg: 'x' });
    for (const text of ['2023-11-14T22:13:20.123Z', 'level_', 'compacted']) expect(lines[0]).toContain(text);
    expect(lines[0]).toMatch(format === 'json' ? /^\{"level":"info"/ : /^level=info /);
  },
);

test('JSON keeps numbers numbers and one object per line', () => {
  const { lines, logger } = capture('json');
  logger.child({ component: 'x' }).warn('slow', { ms: 5, big: 7n, nested: { a: 1 } });
  expect(JSON.parse(lines[0])).toMatchObject({
    level: 'warn',
    msg: 'slow',
    component: 'x',
    ms: 5,
    big: '7',
    nested: '{"a":1}',
  });
});

test('the level can be changed while running, for children too', () => {
  const { lines, logger, control } = capture('logfmt');
  const child = logger.child({ a: 1 });
  child.debug('no');
  expect(control.setLevel('debug')).toBe(true);
  child.debug('yes');
  expect(control.setLevel('loud')).toBe(false);
  expect(control.setLevel('__proto__')).toBe(false);
  expect(lines).toHaveLength(1);
  expect(control.level).toBe('debug');
});

test('a line break or a hostile field cannot forge a second line', () => {
  const { lines, logger } = capture('logfmt');
  logger.error('a\nlevel=info', { 'k\n=x': 'v\r\nlevel=info', cycle: selfReferring() });
  expect(lines).toHaveLength(1);
  expect(lines[0].trimEnd()).not.toMatch(/[\r\n]/);
});

test.each<LogFormat>(['logfmt', 'json'])('characters that deceive a terminal are escaped: %s', (format) => {
  const { lines, logger } = capture(format);
  logger.info('a\u009b31m', { user: 'x\u202egnp', 'k\u2066': 'y\u007f\u2028' });
  expect(lines[0]).not.toMatch(/[\u007f-\u009f\u2028\u202e\u2066]/);
  expect(lines[0]).toContain('a\\u009b31m');
  expect(lines[0]).toContain('x\\u202egnp');
});

test('only lines that are written are counted', () => {
  const { counted, logger } = capture('logfmt', 'warn');
  logger.info('no');
  logger.warn('yes');
  expect(counted).toEqual(['warn']);
});

function selfReferring(): unknown {
  const object: Record<string, unknown> = {};
  object['me'] = object;
  return object;
}
