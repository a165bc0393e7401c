/** Durations, numbers, times, layouts and quoted texts as Go reads and writes them. */
import type { FuzzTarget } from '@loki/test-tools';
import {
  formatGoDuration,
  formatPrometheusDuration,
  goDurationOrProblem,
  parseDuration,
  parseGoDuration,
  parsePrometheusDuration,
} from './duration.ts';
import { formatFloat } from './float.ts';
import { parseFloatText, parseIntText } from './number.ts';
import { parseTime } from './parse-time.ts';
import { quoteGo, quoteToAscii } from './quote.ts';
import { parseGoTime } from './rfc3339.ts';
import { formatTime } from './time.ts';
import { unquoteGo, unquoteRune } from './unquote.ts';
import { findZone, utc } from './zones.ts';

const int64Max = 2n ** 63n - 1n;

/** These parsers refuse by their answer. */
const isRefusal = () => false;

function proved(isTrue: boolean, text: string): void {
  if (!isTrue) throw new Error(text);
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'go-durations',
    shape: 'text',
    corpus: () => [
      '1h30m',
      '1.5s',
      '-2m3.5s',
      '1w2d',
      '1y',
      '9223372036854775807ns',
      '0',
      '+5µs',
      '1h-1h',
      '5m',
      '.5h',
    ],
    words: [
      'ns',
      'us',
      'µs',
      'μs',
      'ms',
      's',
      'm',
      'h',
      'd',
      'w',
      'y',
      '.',
      '-',
      '+',
      '99999999999999999999',
    ],
    isRefusal,
    run: (input) => {
      const text = input.toString();
      for (const [parse, format] of [
        [parseGoDuration, formatGoDuration],
        [parsePrometheusDuration, formatPrometheusDuration],
      ] as const) {
        const value = parse(text);
        if (value === undefined) continue;
        proved(value <= int64Max && value >= -int64Max - 1n, 'a duration is no int64');
        const again = parse(format(value));
        // Milliseconds are the smallest unit that Prometheus writes.
        const written = format === formatGoDuration ? value : (value / 1_000_000n) * 1_000_000n;
        if (value >= 0n) proved(again === written, `${format(value)} is read as ${again}, not ${written}`);
      }
      parseDuration(text);
      return typeof goDurationOrProblem(text);
    },
  },
  {
    name: 'go-numbers',
    shape: 'text',
    corpus: () => [
      '1',
      '-1.5e10',
      '0x1F',
      '0b11',
      '0o17',
      '1_000',
      'Inf',
      'nan',
      '0x1p-2',
      '1e-400',
      '.5',
      '5.',
    ],
    isRefusal,
    run: (input) => {
      const text = input.toString();
      const int = parseIntText(text);
      if (int !== undefined) proved(parseIntText(String(int)) === int, `${int} is read as another number`);
      const float = parseFloatText(text);
      if (float === undefined) return 'no number';
      const again = parseFloatText(formatFloat(float, 'g', -1));
      proved(Object.is(again, float), `${float} is written as ${formatFloat(float, 'g', -1)}`);
      return 'number';
    },
  },
  {
    name: 'go-times',
    shape: 'text',
    corpus: () => [
      '2026-01-15T12:30:00.123456789Z',
      '2006-01-02 15:04:05|2026-11-23 08:00:00',
      'Mon, 02 Jan 2006 15:04:05 MST|Mon, 23 Nov 2026 08:00:00 CET',
      '02.01.06 3:04PM -0700|23.11.26 8:00AM +0100',
      '2026-02-30T99:61:00+25:00',
    ],
    words: [
      '2006',
      '01',
      'Jan',
      'January',
      '02',
      '_2',
      '002',
      '15',
      '03',
      '04',
      '05',
      '.000',
      ',999',
      'PM',
      'MST',
      'Z07:00',
      '-0700',
      'Mon',
      'Monday',
      '|',
    ],
    isRefusal,
    run: (input) => {
      const [layout, value = layout] = input.toString().split('|');
      const exact = parseGoTime(value);
      if ('seconds' in exact) {
        proved(exact.nanos >= 0 && exact.nanos < 1e9 && Number.isInteger(exact.seconds), 'no time');
      }
      const time = parseTime(layout, value, utc);
      findZone(value);
      return time === undefined ? 'no time' : formatTime(time, layout).length;
    },
  },
  {
    name: 'go-quotes',
    shape: 'text',
    corpus: () => ['"a\\n\\x41\\101\\u00e9\\U0001F600"', '`raw\\n`', "'x'", '"\\xff\\xfe"', '"a', "'\\''"],
    words: ['\\x', '\\u', '\\U0010FFFF', '\\777', '\\"', "\\'", '`'],
    isRefusal,
    run: (input) => {
      const text = input.toString();
      proved(unquoteGo(quoteGo(text)) === text, 'a quoted text is another one');
      proved(unquoteGo(quoteToAscii(text)) === text, 'a text quoted to ASCII is another one');
      unquoteRune(text);
      return unquoteGo(text) === undefined ? 'refused' : 'read';
    },
  },
];
