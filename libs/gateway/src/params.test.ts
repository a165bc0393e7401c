import { parseRfc3339, parseTime } from './params.ts';

describe('moments in query parameters', () => {
  test.each([
    ['1700000000', 1700000000000000000n],
    ['0', 0n],
    ['-5', -5000000000n],
    ['1700000000000000001', 1700000000000000001n],
    ['1700000000.142', 1700000000142000000n],
    ['1700000000.1426', 1700000000143000000n],
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

  test('a date that does not exist is no date', () =>
    expect(parseRfc3339('2023-02-29T00:00:00Z')).toBeUndefined());
});
