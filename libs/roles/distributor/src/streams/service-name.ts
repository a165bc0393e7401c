/** Derives the label `service_name`: step *decode* of a written line. */
import type { LabelPair } from '@loki/model';

/** The label that discovery adds. */
export const serviceNameLabel = 'service_name';

const unknownService = 'unknown_service';

/** A label of streams that the system writes to itself; they get no service name. */
const internalLabels = ['__aggregated_metric__', '__pattern__'];

/** Whether the labels are those of a stream of the system's own. */
export function isInternalStream(pairs: readonly LabelPair[]): boolean {
  return pairs.some(([name]) => internalLabels.includes(name));
}

/**
 * The `service_name` to add to a stream, undefined when it has one or discovery is off.
 *
 * @param pairs    the stream's labels without empty values
 * @param discover label names to look at, in order of preference; empty: off
 */
export function discoverServiceName(
  pairs: readonly LabelPair[],
  discover: readonly string[],
): string | undefined {
  if (discover.length === 0 || isInternalStream(pairs)) return undefined;
  if (pairs.some(([name]) => name === serviceNameLabel)) return undefined;
  for (const label of discover) {
    const pair = pairs.find(([name]) => name === label);
    if (pair) return pair[1];
  }
  return unknownService;
}
