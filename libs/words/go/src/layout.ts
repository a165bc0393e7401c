/**
 * The parts of Go's time layouts, which are written as the reference time Mon Jan 2 15:04:05 MST 2006. Of
 * parts with the same beginning the longest comes first in the list.
 */
const stdChunks = [
  'January', 'Jan', 'Monday', 'Mon', 'MST', '002', '01', '02', '03', '04', '05', '06', '2006', '_2', '__2', '15', '1', '2',
  '3', '4', '5', 'PM', 'pm', '-070000', '-07:00:00', '-0700', '-07:00', '-07', 'Z070000', 'Z07:00:00', 'Z0700', 'Z07:00', 'Z07',
] as const; // prettier-ignore

export type StdChunk = (typeof stdChunks)[number];

/** A part of a layout: literal text, a field of the time, or a fraction of a second. */
export type LayoutPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'std'; readonly std: StdChunk }
  | {
      readonly kind: 'fraction';
      readonly digits: number;
      readonly mark: string;
      /** The fraction is written with 9s: trailing zeros are dropped. */
      readonly trims: boolean;
    };

const byFirst = new Map<string, StdChunk[]>();
for (const chunk of stdChunks) byFirst.set(chunk[0], [...(byFirst.get(chunk[0]) ?? []), chunk]);

/** Cuts a layout into its parts. O(layout). */
export function parseLayout(layout: string): LayoutPart[] {
  const parts: LayoutPart[] = [];
  let textStart = 0;
  const push = (part: LayoutPart, at: number, end: number) => {
    if (at > textStart) parts.push({ kind: 'text', text: layout.slice(textStart, at) });
    parts.push(part);
    textStart = end;
  };
  for (let at = 0; at < layout.length;) {
    const fraction = fractionAt(layout, at);
    if (fraction) {
      const end = at + 1 + fraction.digits;
      push(fraction, at, end);
      at = end;
      continue;
    }
    const std = byFirst
      .get(layout[at])
      ?.find((chunk) => layout.startsWith(chunk, at) && isWhole(layout, at, chunk));
    if (std === undefined) {
      at++;
      continue;
    }
    push({ kind: 'std', std }, at, at + std.length);
    at += std.length;
  }
  if (textStart < layout.length) parts.push({ kind: 'text', text: layout.slice(textStart) });
  return parts;
}

/**
 * Whether the chunk at `at` is a field of its own: `Janet` and `Month` hold none, and in `_2006` the
 * underscore is text.
 */
function isWhole(layout: string, at: number, chunk: StdChunk): boolean {
  if (chunk === 'Jan' || chunk === 'Mon') return !/[a-z]/.test(layout.charAt(at + 3));
  return !(chunk === '_2' && layout.startsWith('_2006', at));
}

function fractionAt(layout: string, at: number): (LayoutPart & { kind: 'fraction' }) | undefined {
  if (layout[at] !== '.' && layout[at] !== ',') return undefined;
  const digit = layout[at + 1];
  if (digit !== '0' && digit !== '9') return undefined;
  let end = at + 1;
  while (layout[end] === digit) end++;
  if (/[0-9]/.test(layout.charAt(end))) return undefined;
  return { kind: 'fraction', digits: end - at - 1, mark: layout[at], trims: digit === '9' };
}
