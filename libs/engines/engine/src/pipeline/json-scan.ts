import { unescapeJson } from '@loki/go';
import { utf8Text } from '../common/byte-text.ts';

const quote = 0x22;
const backslash = 0x5c;

/**
 * Whether the string that `stringEnd` read last has escapes: known on the way, and a second result would cost
 * an object.
 */
export let sawEscape = false;

/**
 * Index after the closing quote of the string whose first byte is at `at`; -1 when it never closes. Sets
 * `sawEscape`. Apart from jsonparser's `closingQuote`, which has no flag to write for each string.
 */
export function stringEnd(bytes: Buffer, at: number, end: number): number {
  sawEscape = false;
  while (at < end) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) {
      sawEscape = true;
      at++;
    }
    at++;
  }
  return -1;
}

/** True when bytes[start..end) hold a backslash. */
export function hasEscape(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === backslash) return true;
  return false;
}

/** `unescapeJson` of bytes[start..end). */
export function unescapeBytes(bytes: Buffer, start: number, end: number): string | undefined {
  return unescapeJson(utf8Text(bytes, start, end));
}
