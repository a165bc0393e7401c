/**
 * The first tick of a group after `afterMs`. Groups of one interval are spread over it by their token; a
 * group has the same ticks on every ruler.
 */
export function firstTickMs(afterMs: number, intervalMs: number, token: number): number {
  const offset = token % intervalMs;
  const tickMs = afterMs - (afterMs % intervalMs) + offset;
  return tickMs > afterMs ? tickMs : tickMs + intervalMs;
}

interface Tick {
  readonly tickMs: number;
  /** Ticks that passed during the evaluation of the group. */
  readonly missed: number;
}

/**
 * The tick after `tickMs`. If it is past, the newest past tick is due at once, and earlier ones count as
 * missed.
 */
export function tickAfter(tickMs: number, nowMs: number, intervalMs: number, token: number): Tick {
  // After a clock was set back, the group must not wait for the old time to return.
  if (nowMs < tickMs - intervalMs) return { tickMs: firstTickMs(nowMs, intervalMs, token), missed: 0 };
  const passed = Math.floor((nowMs - tickMs) / intervalMs);
  return passed < 1
    ? { tickMs: tickMs + intervalMs, missed: 0 }
    : { tickMs: tickMs + passed * intervalMs, missed: passed - 1 };
}
