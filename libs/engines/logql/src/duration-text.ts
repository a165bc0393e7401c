/** Prometheus' durations in ranges of queries, with Prometheus' error texts. */

const unitNs = new Map<string, { order: number; ns: bigint }>();
for (const [order, [name, ns]] of (
  [
    ['y', 31_536_000_000_000_000n],
    ['w', 604_800_000_000_000n],
    ['d', 86_400_000_000_000n],
    ['h', 3_600_000_000_000n],
    ['m', 60_000_000_000n],
    ['s', 1_000_000_000n],
    ['ms', 1_000_000n],
  ] as const
).entries()) {
  unitNs.set(name, { order, ns });
}

const int64Max = (1n << 63n) - 1n;

/** Prometheus' duration of a range as nanoseconds, or the text of Prometheus' error. */
export function parseRangeDuration(text: string): bigint | string {
  if (text === '0') return 0n;
  if (text === '') return 'empty duration string';
  const invalid = `not a valid duration string: ${JSON.stringify(text)}`;
  const part = /(\d+)(\D*)/y;
  let lastOrder = -1;
  let total = 0n;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (!match || match[2] === '') return invalid;
    const count = BigInt(match[1]);
    if (count >= 1n << 64n) return invalid;
    const unit = unitNs.get(match[2]);
    if (!unit) return `unknown unit ${JSON.stringify(match[2])} in duration ${JSON.stringify(text)}`;
    if (unit.order <= lastOrder) return invalid;
    lastOrder = unit.order;
    total += count * unit.ns;
    if (total > int64Max) return 'duration out of range';
  }
  return total;
}
