/** Scans JSON strings in bytes, for the JSON stages. */
import { unescapeJson } from '@loki/go';
import { utf8Text } from '../common/byte-text.ts';

const quote = 0x22;
const backslash = 0x5c;

/**
 * Whether the last string of `stringEnd` has escapes. A variable, because a second result would cost an
 * object per call.
 */
export let sawEscape = false;

/**
 * The index after the closing quote of the string whose first byte is at `at`; -1 when it never closes. Sets
 * `sawEscape`. (jsonparser's `closingQuote` does the same without the flag.)
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

/** Whether bytes[start..end) contain a backslash. */
export function hasEscape(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === backslash) return true;
  return false;
}

/** `unescapeJson` of bytes[start..end). */
export function unescapeBytes(bytes: Buffer, start: number, end: number): string | undefined {
  return unescapeJson(utf8Text(bytes, start, end));
}
