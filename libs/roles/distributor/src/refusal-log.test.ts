/** Protects operators, who read why a tenant's pushes are refused, from lines without a bound. */
import type { LogFields, Logger } from '@loki/ports';
import { RefusalLog } from './refusal-log.ts';

let nowMs: number;
let lines: LogFields[];
let refusals: RefusalLog;

beforeEach(() => {
  [nowMs, lines] = [0, []];
  const logger: Logger = {
    debug() {},
    info() {},
    warn: (message, fields) => void lines.push({ message, ...fields }),
    error() {},
    child: () => logger,
  };
  refusals = new RefusalLog(logger, { monotonicMs: () => nowMs });
});

test('a tenant has one line in ten seconds, which counts the refusals since the one before', () => {
  for (let i = 0; i < 5; i++) refusals.report('a', 429, `limit ${i}`);
  refusals.report('b', 400, 'too old');
  nowMs = 10_000;
  refusals.report('a', 429, 'limit 5');
  expect(lines).toEqual([
    { message: 'push refused', tenant: 'a', status: 429, err: 'limit 0', unreported: 0 },
    { message: 'push refused', tenant: 'b', status: 400, err: 'too old', unreported: 0 },
    { message: 'push refused', tenant: 'a', status: 429, err: 'limit 5', unreported: 4 },
  ]);
});

test('of ten thousand tenants a hundred have a line in ten seconds, others later', () => {
  for (let i = 0; i < 10_000; i++) refusals.report(`tenant-${i}`, 400, 'bad');
  expect(lines).toHaveLength(100);
  nowMs = 10_000;
  refusals.report('tenant-9999', 400, 'bad');
  expect(lines.at(-1)).toMatchObject({ tenant: 'tenant-9999' });
});

test('a long text is cut', () => {
  refusals.report('a', 400, 'x'.repeat(100_000));
  expect(lines[0]['err']).toBe(`${'x'.repeat(500)}…`);
});
