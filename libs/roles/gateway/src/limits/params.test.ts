/** Protects: parameters are read with Loki's defaults and refused in Loki's words. */
import type { HttpRequest } from '@loki/ports';
import {
  Params,
  parseLimit,
  parseRfc3339,
  parseSecondsOrDuration,
  parseTime,
  parseTimeRange,
} from './params.ts';

describe('moments in query parameters', () => {
  test.each([
    ['1700000000', 1700000000000000000n],
    ['0', 0n],
    ['-5', -5000000000n],
    ['1700000000000000001', 1700000000000000001n],
    ['1700000000.142', 1700000000142000000n],
    ['1700000000.1426', 1700000000143000000n],
    ['1.7000000001e9', 1700000000100000000n],
    ['2023-11-14T22:13:20Z', 1700000000000000000n],
    ['2023-11-14T22:13:20.000000001Z', 1700000000000000001n],
    ['2023-11-15T00:13:20+02:00', 1700000000000000000n],
  ])('%s', (text, ns) => expect(parseTime(text)).toBe(ns));

  test.each(['yesterday', '12-34', '2023-02-30T00:00:00Z', '2023-11-14 22:13:20', '1e9', ''])(
    '%j is refused',
    (text) =>
      expect(() => parseTime(text)).toThrow(
        `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`,
      ),
  );

  test('numbers beyond an int64 are out of range', () =>
    expect(() => parseTime('99999999999999999999')).toThrow(
      'strconv.ParseInt: parsing "99999999999999999999": value out of range',
    ));

  test.each(['start=1', 'start=-1', 'start=1.0', 'limit=1'])(
    '%s with half a million digits costs nothing',
    (parameter) => {
      const [name, first] = parameter.split('=');
      const digits = '1'.repeat(500_000);
      const value = first.endsWith('.0') ? `${digits}.0` : first.replace('1', digits);
      const params = Params.of({
        method: 'GET',
        queryText: `${name}=${value}`,
        headers: new Map<string, string>(),
        body: Buffer.alloc(0),
      } as unknown as HttpRequest);
      // A BigInt of that many digits is made in more than linear time.
      const longest = jest.spyOn(globalThis, 'BigInt');
      try {
        if (name === 'limit') parseLimit(params);
        else parseTimeRange(params, 0n);
      } catch (error) {
        expect((error as Error).message).toMatch(/value out of range$/);
        expect((error as Error).message.length).toBeLessThan(1200);
      }
      const lengths = longest.mock.calls.map(([text]) => String(text).length);
      longest.mockRestore();
      expect(Math.max(0, ...lengths)).toBeLessThan(100);
    },
  );

  test('zeros before a number do not count', () => {
    expect(parseTime('0'.repeat(50) + '17')).toBe(17n);
    expect(parseTime('-' + '0'.repeat(50))).toBe(0n);
  });

  test('a date that does not exist is no date', () =>
    expect(parseRfc3339('2023-02-29T00:00:00Z')).toBeUndefined());
});

describe('seconds or durations, as Prometheus takes them', () => {
  const parse = (step: string) => {
    const queryText = `step=${encodeURIComponent(step)}`;
    const request = { method: 'GET', headers: new Map<string, string>(), queryText, body: Buffer.alloc(0) };
    return parseSecondsOrDuration(Params.of(request as never), 'step');
  };

  test.each([
    ['5', 5_000_000_000n],
    ['1e3', 1_000_000_000_000n],
    ['1.005', 1_004_999_999n],
    ['1h30m', 5_400_000_000_000n],
    ['NaN', -(1n << 63n)],
    ['', undefined],
  ])('%j', (text, ns) => expect(parse(text)).toBe(ns));

  test.each(['Inf', '-Infinity', '99999999999'])('%j overflows', (text) =>
    expect(() => parse(text)).toThrow(
      `cannot parse ${JSON.stringify(text)} to a valid duration. It overflows int64`,
    ),
  );

  test.each(['-1s', '1.5h', 'x', ' 5'])('%j is none', (text) =>
    expect(() => parse(text)).toThrow(`cannot parse ${JSON.stringify(text)} to a valid duration`),
  );
});
