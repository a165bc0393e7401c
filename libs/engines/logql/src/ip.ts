/** Addresses and ranges of the filter `ip("…")`. */
import { quoteGo } from '@loki/go';
import { QueryPartError } from './errors.ts';

/** An address as a number; versions never compare equal. */
interface IpAddress {
  readonly version: 4 | 6;
  readonly value: bigint;
}

/** The addresses that `ip("…")` accepts: low <= address <= high, of one version. */
export interface IpMatcher {
  readonly version: 4 | 6;
  readonly low: bigint;
  readonly high: bigint;
}

/**
 * Parses `10.0.0.1`, `10.0.0.0/8`, `10.0.0.1-10.0.0.9`, and the IPv6 equivalents.
 *
 * @throws QueryPartError with Loki's text
 */
export function parseIpMatcher(pattern: string): IpMatcher {
  const matcher = parseRange(pattern) ?? parseNetwork(pattern) ?? parseSingle(pattern);
  if (!matcher) throw new QueryPartError(`ip: invalid pattern: ${quoteGo(pattern)}`);
  return matcher;
}

/**
 * Whether the address is in the matcher's range. Addresses of IPv4 and IPv6 never match each other. O(1).
 */
export function ipMatches(matcher: IpMatcher, address: IpAddress): boolean {
  return matcher.version === address.version && matcher.low <= address.value && address.value <= matcher.high;
}

function parseSingle(text: string): IpMatcher | undefined {
  const address = parseIp(text);
  return address && { version: address.version, low: address.value, high: address.value };
}

function parseRange(text: string): IpMatcher | undefined {
  const dash = text.indexOf('-');
  if (dash < 0) return undefined;
  const [low, high] = [parseIp(text.slice(0, dash)), parseIp(text.slice(dash + 1))];
  if (!low || !high || low.version !== high.version || low.value > high.value) return undefined;
  return { version: low.version, low: low.value, high: high.value };
}

function parseNetwork(text: string): IpMatcher | undefined {
  const match = /^(.+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = match ? parseIp(match[1]) : undefined;
  if (!match || !address) return undefined;
  const width = address.version === 4 ? 32 : 128;
  const length = Number(match[2]);
  if (length > width) return undefined;
  const hostBits = BigInt(width - length);
  const low = (address.value >> hostBits) << hostBits;
  return { version: address.version, low, high: low + (1n << hostBits) - 1n };
}

/** Parses an address without zone, as Go's netip does; undefined for anything else. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.length > 45) return undefined;
  return text.includes(':') ? parseIp6(text) : parseIp4(text);
}

function parseIp4(text: string): IpAddress | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  let value = 0n;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    value = value * 256n + BigInt(part);
  }
  return { version: 4, value };
}

function parseIp6(text: string): IpAddress | undefined {
  let body = text;
  const tail = /^(.*:)([^:]*\.[^:]*)$/.exec(text);
  if (tail) {
    const v4 = parseIp4(tail[2]);
    if (!v4) return undefined;
    body = `${tail[1]}${(v4.value >> 16n).toString(16)}:${(v4.value & 0xffffn).toString(16)}`;
  }
  const halves = body.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const count = groups.flat().length;
  if (halves.length === 2 ? count > 7 : count !== 8) return undefined;
  if (!groups.flat().every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const missing = Array.from({ length: 8 - count }, () => '0');
  const all = halves.length === 2 ? [...groups[0], ...missing, ...groups[1]] : groups[0];
  return { version: 6, value: BigInt(`0x${all.map((group) => group.padStart(4, '0')).join('')}`) };
}
