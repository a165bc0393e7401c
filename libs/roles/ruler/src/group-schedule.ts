/**
 * The first moment after `afterMs` at which a group is due. Groups of one interval are spread over it by
 * their token, and stand at the same moments whoever evaluates them.
 */
export function firstTickMs(afterMs: number, intervalMs: number, token: number): number {
  const offset = token % intervalMs;
  const tickMs = afterMs - (afterMs % intervalMs) + offset;
  return tickMs > afterMs ? tickMs : tickMs + intervalMs;
}

interface Tick {
  readonly tickMs: number;
  /** Ticks that passed while the group was being evaluated. */
  readonly missed: number;
}

/**
 * The tick after `tickMs`; when it is past, the newest one is due at once, and those before it were missed.
 */
export function tickAfter(tickMs: number, nowMs: number, intervalMs: number, token: number): Tick {
  // A clock that was set back must not make the group wait until it is back where it was.
  if (nowMs < tickMs - intervalMs) return { tickMs: firstTickMs(nowMs, intervalMs, token), missed: 0 };
  const passed = Math.floor((nowMs - tickMs) / intervalMs);
  return passed < 1
    ? { tickMs: tickMs + intervalMs, missed: 0 }
    : { tickMs: tickMs + passed * intervalMs, missed: passed - 1 };
}
