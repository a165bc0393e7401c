/** Encodes samples as Prometheus' remote write: last step of the story of a rule. */
import { bytesField, varintField } from '@loki/proto';
import type { SeriesSample } from './recording-rule.ts';

/** Prometheus' staleness marker: one specific NaN, so its bits are written directly. */
const staleMarker = Buffer.from('020000000000f07f', 'hex');

/**
 * Samples as the body of Prometheus' remote write, version 1. The concatenation of such bodies is one body.
 */
export function encodeWriteRequest(samples: readonly SeriesSample[]): Buffer {
  return Buffer.concat(samples.map((sample) => bytesField(1, encodeSeries(sample))));
}

function encodeSeries({ labels, value, timestampMs }: SeriesSample): Buffer {
  const parts = labels.map(([name, text]) =>
    bytesField(1, Buffer.concat([bytesField(1, Buffer.from(name)), bytesField(2, Buffer.from(text))])),
  );
  const sample = Buffer.concat([doubleField(1, value), varintField(2, BigInt(timestampMs))]);
  return Buffer.concat([...parts, bytesField(2, sample)]);
}

function doubleField(number: number, value: number | undefined): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = number * 8 + 1;
  if (value === undefined) staleMarker.copy(bytes, 1);
  else bytes.writeDoubleLE(value, 1);
  return bytes;
}
