/**
 * The first moment after `afterMs` at which a group is due. Groups of one interval are spread over it by
 * their token, and stand at the same moments whoever evaluates them.
 */
export function firstSlotMs(afterMs: number, intervalMs: number, token: number): number {
  const offset = token % intervalMs;
  const slot = afterMs - (afterMs % intervalMs) + offset;
  return slot > afterMs ? slot : slot + intervalMs;
}

interface NextSlot {
  readonly slotMs: number;
  /** Slots that passed while the group was being evaluated. */
  readonly missed: number;
}

/**
 * The slot after `slotMs`; when it is past, the newest one is due at once, and those before it were missed.
 */
export function nextSlot(slotMs: number, nowMs: number, intervalMs: number, token: number): NextSlot {
  // A clock that was set back must not make the group wait until it is back where it was.
  if (nowMs < slotMs - intervalMs) return { slotMs: firstSlotMs(nowMs, intervalMs, token), missed: 0 };
  const passed = Math.floor((nowMs - slotMs) / intervalMs);
  return passed < 1
    ? { slotMs: slotMs + intervalMs, missed: 0 }
    : { slotMs: slotMs + passed * intervalMs, missed: passed - 1 };
}
