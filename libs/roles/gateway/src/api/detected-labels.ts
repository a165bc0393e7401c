import type { Work } from '@loki/engine';
import type { StreamVolume } from '@loki/ports';
import { isHiddenLabel, valuesByLabel } from './explore-streams.ts';

/** Labels that people look by whatever their values are. */
const alwaysShown: ReadonlySet<string> = new Set(['cluster', 'namespace', 'instance', 'pod']);

interface DetectedLabel {
  readonly label: string;
  readonly cardinality: number;
}

/** Labels worth to narrow a search by: those whose values are more than identifiers. */
export function* detectLabels(
  streams: Iterable<Pick<StreamVolume, 'labels' | 'values'>>,
): Work<DetectedLabel[]> {
  const detected: DetectedLabel[] = [];
  for (const [label, values] of yield* valuesByLabel(streams)) {
    if (isHiddenLabel(label) || !(alwaysShown.has(label) || (yield* isTelling(values)))) continue;
    detected.push({ label, cardinality: values.length });
  }
  return detected;
}

/** Values that are looked at between two pauses. */
const valuesPerSlice = 1024;

/**
 * Whether one of the values is no identifier; 0 and 1 alone are an answer to something, not numbers of
 * something.
 */
function* isTelling(values: readonly string[]): Work<boolean> {
  if (values.length <= 2 && values.every((value) => value === '0' || value === '1')) return true;
  for (let i = 0; i < values.length; i++) {
    if (!isId(values[i])) return true;
    if (i % valuesPerSlice === valuesPerSlice - 1) yield;
  }
  return false;
}

const number = /^[+-]?(?:inf|infinity|nan|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|0x[0-9a-f]+)$/i;
const uuid =
  /^(?:(?:urn:uuid:)?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\{[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}|[0-9a-f]{32})$/i;

function isId(value: string): boolean {
  return number.test(value) || uuid.test(value);
}
