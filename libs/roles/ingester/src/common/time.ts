/** Times of rows in microseconds and nanoseconds, for comparisons with the catalog. */
import { usOf } from '@loki/model';
import type { BlockInfo } from '@loki/segment';

/**
 * Microseconds in a nanosecond count; doubles hold microseconds exactly until the year 2255, nanoseconds they
 * do not.
 */
const nsPerUs = 1000;

/**
 * A block's base as whole microseconds and the nanoseconds above them, so that each run costs float
 * arithmetic only. Rounded down, also before 1970.
 */
export interface UsBase {
  readonly us: number;
  readonly restNs: number;
}

export function usBase(baseNs: bigint): UsBase {
  const us = usOf(baseNs);
  return { us, restNs: Number(baseNs - BigInt(us) * 1000n) };
}

/** The same for a timestamp relative to a block's base. */
export function usAt(base: UsBase, relativeNs: number): number {
  return base.us + Math.floor((base.restNs + relativeNs) / nsPerUs);
}

/** The nanoseconds above `usAt`: 0 .. 999. */
export function restNsAt(base: UsBase, relativeNs: number): number {
  const ns = base.restNs + relativeNs;
  return ns - nsPerUs * Math.floor(ns / nsPerUs);
}

/** Unix nanoseconds of a timestamp relative to a block's base. */
export function nsAt(block: BlockInfo, relativeNs: number): bigint {
  return block.baseNs + BigInt(relativeNs);
}
