import type { Work } from '@loki/engine';
import type { LabelPair } from '@loki/model';
import { isHiddenLabel, streamsPerSlice } from './explore-streams.ts';

/** Labels that people look by whatever their values are. */
const alwaysShown: ReadonlySet<string> = new Set(['cluster', 'namespace', 'instance', 'pod']);

interface DetectedLabel {
  readonly label: string;
  readonly cardinality: number;
}

/** Labels worth to narrow a search by: those whose values are more than identifiers. */
export function* detectLabels(
  streams: Iterable<{ readonly labels: readonly LabelPair[] }>,
): Work<DetectedLabel[]> {
  const values = new Map<string, Set<string>>();
  let looks = 0;
  for (const { labels } of streams) {
    if (++looks % streamsPerSlice === 0) yield;
    for (const [name, value] of labels) {
      if (isHiddenLabel(name)) continue;
      const known = values.get(name);
      if (known) known.add(value);
      else values.set(name, new Set([value]));
    }
  }
  return [...values]
    .filter(([name, distinct]) => alwaysShown.has(name) || isTelling(distinct))
    .map(([label, distinct]) => ({ label, cardinality: distinct.size }));
}

/**
 * Whether one of the values is no identifier; 0 and 1 alone are an answer to something, not numbers of
 * something.
 */
function isTelling(values: ReadonlySet<string>): boolean {
  if (values.size <= 2 && [...values].every((value) => value === '0' || value === '1')) return true;
  for (const value of values) if (!isId(value)) return true;
  return false;
}

const number = /^[+-]?(?:inf|infinity|nan|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|0x[0-9a-f]+)$/i;
const uuid =
  /^(?:(?:urn:uuid:)?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\{[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}|[0-9a-f]{32})$/i;

function isId(value: string): boolean {
  return number.test(value) || uuid.test(value);
}
