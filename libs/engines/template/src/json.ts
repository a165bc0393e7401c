/** The template function `fromJson`. */
import type { Value } from './values.ts';

/**
 * Deepest nesting. Go allows 10,000 levels, but each level costs a stack frame here, and log lines do not
 * nest so deeply.
 */
const depthMax = 1000;

/** Decodes JSON to maps, lists, strings, floats and booleans; invalid JSON becomes nil. */
export function fromJson(text: string): Value {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null; // sprig's fromJson drops the error too
  }
  return depthOf(text) > depthMax ? null : toValue(parsed);
}

/** An upper bound of the nesting: brackets within strings count too. */
function depthOf(text: string): number {
  let depth = 0;
  let most = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x7b || code === 0x5b) most = Math.max(most, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return most;
}

function toValue(parsed: unknown): Value {
  if (typeof parsed !== 'object' || parsed === null) return parsed as Value;
  if (Array.isArray(parsed)) return parsed.map(toValue);
  return new Map(Object.entries(parsed).map(([key, value]) => [key, toValue(value)]));
}
