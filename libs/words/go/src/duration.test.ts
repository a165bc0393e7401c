import {
  formatGoDuration,
  formatPrometheusDuration,
  parseDuration,
  parseGoDuration,
  parsePrometheusDuration,
} from './duration.ts';

describe('durations', () => {
  test.each([
    ['1h2.5s', 3602500000000n],
    ['-3ms', -3000000n],
    ['0', 0n],
    ['.5s', 500000000n],
    ['1m30s', 90000000000n],
    ['1.5h', 5400000000000n],
    ['7µs', 7000n],
    ['1d', undefined],
    ['5', undefined],
    ['.s', undefined],
    ['', undefined],
    ['300000h', 1080000000000000000n],
    ['3000000h', undefined],
  ])('Go reads %s', (text, value) => expect(parseGoDuration(text)).toBe(value));

  test.each([
    ['1h30m', 5400000000000n],
    ['1d', 86400000000000n],
    ['30d1h', 2595600000000000n],
    ['1m1h', undefined],
    ['1.5h', undefined],
    ['', undefined],
  ])('Prometheus reads %s', (text, value) => expect(parsePrometheusDuration(text)).toBe(value));

  test.each([
    [5400000000000n, '1h30m0s', '1h30m'],
    [1500000000n, '1.5s', '1s500ms'],
    [2595600000000000n, '721h0m0s', '30d1h'],
    [604800000000000n, '168h0m0s', '1w'],
    [0n, '0s', '0s'],
    [1500n, '1.5µs', '0s'],
  ])('%s ns prints', (value, go, prometheus) => {
    expect(formatGoDuration(value)).toBe(go);
    expect(formatPrometheusDuration(value)).toBe(prometheus);
  });

  test("parseDuration reads Go's and Prometheus' forms", () => {
    expect(parseDuration('1d')).toBe(86400000000000n);
    expect(parseDuration('1.5h')).toBe(5400000000000n);
  });
});
