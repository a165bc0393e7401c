/** Text form of an export's cursor: the remaining range, bound to one query. */
import { fnv1a32 } from '@loki/model';
import { badRequest } from '../limits/params.ts';
import type { TimeRange } from '../limits/params.ts';

type Direction = 'forward' | 'backward';

/** The remaining part of an export: every entry of the query in this range, and no other. */
export interface ExportCursor extends TimeRange {
  readonly direction: Direction;
}

/** Times are any 64-bit number of nanoseconds. */
const form = /^1-(f|b)-(-?\d{1,19})-(-?\d{1,19})-([0-9a-f]{8})$/;

/**
 * A cursor points between two nanoseconds, never between entries of one: so it stays exact through flushes,
 * merges and restarts. Entries before it were sent, entries after it were not.
 */
export function printCursor(query: string, cursor: ExportCursor): string {
  const { direction, startNs, endNs } = cursor;
  return `1-${direction[0]}-${startNs}-${endNs}-${queryMark(query)}`;
}

/**
 * @param query canonical text of the query to continue
 * @throws LokiError badRequest for a text that is no cursor, and for one of another query
 */
export function parseCursor(query: string, text: string): ExportCursor {
  const match = form.exec(text);
  if (!match) throw badRequest(`invalid cursor ${JSON.stringify(text.slice(0, 100))}`);
  const [, direction, start, end, mark] = match;
  if (mark !== queryMark(query)) throw badRequest('the cursor belongs to another query');
  const [startNs, endNs] = [BigInt(start), BigInt(end)];
  if (BigInt.asIntN(64, startNs) !== startNs || BigInt.asIntN(64, endNs) !== endNs) {
    throw badRequest(`invalid cursor ${JSON.stringify(text)}`);
  }
  return { direction: direction === 'f' ? 'forward' : 'backward', startNs, endNs };
}

function queryMark(query: string): string {
  return fnv1a32(query).toString(16).padStart(8, '0');
}
