/** `1557935669096040040 pppppp…`: the line's time, and filler up to `size` bytes. */
export function canaryLine(ns: bigint, size: number): string {
  const head = `${ns} `;
  return head + 'p'.repeat(Math.max(0, size - head.length));
}

/** The time in a line of the canary; undefined: a line of another writer. */
export function timeOfLine(line: string): bigint | undefined {
  const match = /^(\d{1,19}) p*$/.exec(line);
  return match ? BigInt(match[1]) : undefined;
}
