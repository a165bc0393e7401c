/**
 * Factors between units. Counts of nanoseconds are bigints: a double holds them exactly for 104 days only.
 */
export const nsPerMs = 1_000_000n;
/** Nanoseconds of a second. */
export const nsPerSecond = 1_000_000_000n;
/** Nanoseconds in an hour, as a bigint. */
export const hourNs = 3600n * nsPerSecond;
/** Nanoseconds in 24 hours, as a bigint. */
export const dayNs = 24n * hourNs;

/** Bytes of one MiB. */
export const mib = 1024 * 1024;

/**
 * Whole microseconds since 1970, rounded down, before 1970 too: doubles hold them exactly until the year
 * 2255.
 */
export function usOf(ns: bigint): number {
  const us = Number(ns / 1000n);
  return ns < 0n && ns % 1000n !== 0n ? us - 1 : us;
}
