/** Parameters of queries: times, steps, limits, directions and cursors. */
import type { HttpRequest } from '@loki/ports';
import { refusalOf } from '@loki/test-tools';
import type { FuzzTarget } from '@loki/test-tools';
import { parseCursor, printCursor } from '../api/export-cursor.ts';
import {
  Params,
  parseDirection,
  parseInterval,
  parseLimit,
  parseStep,
  parseTime,
  parseTimeRange,
} from './params.ts';

const nowNs = 1_768_000_000_000_000_000n;

const isRefusal = refusalOf('badRequest');

function requestOf(queryText: string): HttpRequest {
  return {
    method: 'GET',
    path: '/',
    params: new Map(),
    queryText,
    headers: new Map(),
    remoteAddress: '',
    body: Buffer.alloc(0),
    signal: new AbortController().signal,
  };
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'query-parameters',
    shape: 'text',
    corpus: () => [
      'start=1&end=1768000000&step=15&limit=100&direction=forward&interval=1s',
      'start=2026-01-15T12:30:00.5Z&end=1768000000000000000&step=1m',
      'since=1h&end=1.5e9&step=0.5&limit=5000&direction=BACKWARD',
    ],
    words: [
      'start=',
      'end=',
      'since=',
      'step=',
      'limit=',
      'interval=',
      'direction=',
      '&',
      '%2B',
      '1e18',
      '-1',
      '9223372036854775807',
      '2026-01-15T12:30:00Z',
      '15m',
      'NaN',
      'Inf',
      '0x10',
    ],
    isRefusal,
    run: (input) => {
      const params = Params.of(requestOf(input.toString('latin1')));
      const range = parseTimeRange(params, nowNs);
      parseLimit(params);
      parseDirection(params);
      parseInterval(params);
      const step = parseStep(params, range);
      if (step <= 0n) throw new RangeError(`a step of ${step} ns`);
      if (range.endNs >= range.startNs && (range.endNs - range.startNs) / step > 11_000n) {
        throw new RangeError('more points than are allowed');
      }
      return 'range';
    },
  },
  {
    name: 'query-times',
    shape: 'text',
    corpus: () => [
      '1768000000',
      '1768000000.123',
      '1768000000123456789',
      '2026-01-15T12:30:00.123456789+01:00',
      '-1',
      '1e9',
    ],
    isRefusal,
    run: (input) => typeof parseTime(input.toString()),
  },
  {
    name: 'export-cursors',
    shape: 'text',
    corpus: () => [printCursor('{a="b"}', { direction: 'forward', startNs: 1n, endNs: nowNs })],
    isRefusal,
    run: (input) => {
      const text = input.toString();
      const cursor = parseCursor('{a="b"}', text);
      const again = parseCursor('{a="b"}', printCursor('{a="b"}', cursor));
      if (
        again.startNs !== cursor.startNs ||
        again.endNs !== cursor.endNs ||
        again.direction !== cursor.direction
      ) {
        throw new Error('a cursor stands elsewhere');
      }
      return cursor.direction;
    },
  },
];
