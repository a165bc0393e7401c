/**
 * Protects the error texts for timestamps of the legacy form; texts of Go 1.26's time.Time.UnmarshalJSON.
 */
import { parseGoTime } from './rfc3339.ts';

test.each([
  ['2026-11-23T07:00:00Z', 1_795_417_200, 0],
  ['2026-11-23T07:00:00.123456789Z', 1_795_417_200, 123_456_789],
  ['2026-11-23T07:00:00.1234567899Z', 1_795_417_200, 123_456_789],
  ['2026-11-23T08:00:00+01:00', 1_795_417_200, 0],
  ['2026-11-23T07:00:00-00:00', 1_795_417_200, 0],
  ['2026-11-23T7:00:00Z', 1_795_417_200, 0],
  ['2026-11-23T07:00:00,5Z', 1_795_417_200, 500_000_000],
  ['2024-02-29T00:00:00Z', 1_709_164_800, 0],
  ['0001-01-01T00:00:00Z', -62_135_596_800, 0],
])('%s is a moment', (text, seconds, nanos) => expect(parseGoTime(text)).toEqual({ seconds, nanos }));

const layout = ' as "2006-01-02T15:04:05Z07:00": cannot parse ';

test.each([
  ['', `${layout}"" as "2006"`],
  ['x', `${layout}"x" as "2006"`],
  ['2026', `${layout}"" as "-"`],
  ['2026-1-23T07:00:00Z', `${layout}"1-23T07:00:00Z" as "01"`],
  ['1795417800000000000', `${layout}"417800000000000" as "-"`],
  ['2026-11-23 00:00:00Z', `${layout}" 00:00:00Z" as "T"`],
  ['2026-11-23T07:00:00', `${layout}"" as "Z07:00"`],
  ['2026-11-23T07:00:00+0100', `${layout}"+0100" as "Z07:00"`],
  ['2026-11-23T07:00:00.Z', `${layout}".Z" as "Z07:00"`],
  ['2026-13-01T00:00:00Z', ': month out of range'],
  ['2023-02-29T00:00:00Z', ': day out of range'],
  ['2026-01-00T00:00:00Z', ': day out of range'],
  ['2026-11-23T24:00:00Z', ': hour out of range'],
  ['2026-11-23T23:59:60Z', ': second out of range'],
  ['2026-11-23T07:00:00+25:00', ': time zone offset hour out of range'],
  ['2026-11-23T07:00:00Zx', ': extra text: "x"'],
])('%j is none%s', (text, why) =>
  expect(parseGoTime(text)).toEqual({ problem: `parsing time ${JSON.stringify(text)}${why}` }),
);
