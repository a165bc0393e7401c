/** Chooses the labels for `/detected_labels` by their values. */
import type { Work } from '@loki/engine';
import type { StreamVolume } from '@loki/ports';
import { isHiddenLabel, valuesByLabel } from './explore-streams.ts';

/** Labels that are always listed, regardless of their values. */
const alwaysShown: ReadonlySet<string> = new Set(['cluster', 'namespace', 'instance', 'pod']);

interface DetectedLabel {
  readonly label: string;
  readonly cardinality: number;
}

/** Labels that help to narrow a search: those whose values are not only identifiers. */
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

/** Values that are checked between two pauses. */
const valuesPerSlice = 1024;

/**
 * True if one of the values is no identifier. A label with only 0 and 1 is a flag, not an identifier.
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
