import { ByteReader, BytesError, ByteWriter } from '@loki/bytes';
import type { LabelPair } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { SampleLeafResult, SeriesState, StreamVolume, VolumeBuckets } from '@loki/ports';

/** How the numbers of a column are written: counts are small whole numbers, and most columns are counts. */
const asWhole = 0;
const asDoubles = 1;

/** Partial states as bytes, without what they cost. */
export function encodeSamples(result: SampleLeafResult): Uint8Array {
  const out = new ByteWriter(4096);
  out.uvarint(result.steps);
  out.uvarint(result.series.length);
  for (const { labels, columns, samples } of result.series) {
    writeLabels(out, labels);
    out.uvarint(columns.length);
    for (const column of columns) writeColumn(out, column);
    if (columns.length > 0) continue;
    const { times, values } = samples!;
    out.uvarint(times.length);
    out.f64(times[0] ?? 0);
    writeColumn(out, distances(times));
    writeColumn(out, values);
  }
  return out.take();
}

/**
 * @returns undefined when the bytes are not states of so many steps: whoever keeps them may have been wrong
 */
export function decodeSamples(bytes: Uint8Array, steps: number): SampleLeafResult | undefined {
  return guarded(bytes, (input) => {
    if (input.uvarint() !== steps) throw new BytesError('states of other steps');
    const count = input.count(input.remaining);
    const series: SeriesState[] = [];
    for (let i = 0; i < count; i++) series.push(readState(input, steps));
    return { kind: 'samples' as const, steps, series, stats: emptyLeafStats() };
  });
}

function readState(input: ByteReader, steps: number): SeriesState {
  const labels = readLabels(input);
  const columns = Array.from({ length: input.count(columnsMax) }, () => readColumn(input, steps));
  if (columns.length > 0) return { labels, columns };
  const count = input.count(input.remaining);
  const first = input.f64();
  const times = readColumn(input, count);
  for (let i = 0; i < count; i++) times[i] += i === 0 ? first : times[i - 1];
  return { labels, columns, samples: { times, values: readColumn(input, count) } };
}

/** Of each time from the one before it: small whole numbers, which times before a request's start are not. */
function distances(times: Float64Array): Float64Array {
  return times.map((time, i) => (i === 0 ? 0 : time - times[i - 1]));
}

/** No operation has more. */
const columnsMax = 8;

/** Parts of a stream that may be absent, as bits. */
const hasVolume = 1;
const hasValues = 2;

/** Streams of some segments, a list for each. */
export function encodeStreams(lists: readonly (readonly StreamVolume[])[]): Uint8Array {
  const out = new ByteWriter(4096);
  out.uvarint(lists.length);
  for (const list of lists) {
    out.uvarint(list.length);
    for (const { labels, entries, lineBytes, volume, values } of list) {
      writeLabels(out, labels);
      out.f64(entries);
      out.f64(lineBytes);
      out.u8((volume ? hasVolume : 0) + (values ? hasValues : 0));
      if (volume) {
        out.uvarint(volume.bucket.length);
        volume.bucket.forEach((bucket, i) => {
          out.uvarint(bucket);
          out.f64(volume.bytes[i]);
        });
      }
      if (values) {
        out.uvarint(values.length);
        for (const value of values) out.sizedText(value);
      }
    }
  }
  return out.take();
}

/** @returns undefined when the bytes are not so many lists */
export function decodeStreams(bytes: Uint8Array, lists: number): StreamVolume[][] | undefined {
  return guarded(bytes, (input) => {
    if (input.uvarint() !== lists) throw new BytesError('lists of other segments');
    return Array.from({ length: lists }, () =>
      Array.from({ length: input.count(input.remaining) }, () => readStream(input)),
    );
  });
}

function readStream(input: ByteReader): StreamVolume {
  const base = { labels: readLabels(input), entries: input.f64(), lineBytes: input.f64() };
  const parts = input.u8();
  if (parts > hasVolume + hasValues) throw new BytesError('a stream with unknown parts');
  return {
    ...base,
    ...((parts & hasVolume) > 0 ? { volume: readBuckets(input) } : {}),
    ...((parts & hasValues) > 0 ? { values: readTexts(input) } : {}),
  };
}

function readTexts(input: ByteReader): string[] {
  return Array.from({ length: input.count(input.remaining) }, () => input.sizedText());
}

function readBuckets(input: ByteReader): VolumeBuckets {
  const bucket: number[] = [];
  const volumes: number[] = [];
  for (let left = input.count(input.remaining); left > 0; left--) {
    bucket.push(input.uvarint());
    volumes.push(input.f64());
  }
  return { bucket, bytes: volumes };
}

function writeLabels(out: ByteWriter, labels: readonly LabelPair[]): void {
  out.uvarint(labels.length);
  for (const [name, value] of labels) {
    out.sizedText(name);
    out.sizedText(value);
  }
}

function readLabels(input: ByteReader): LabelPair[] {
  return Array.from({ length: input.count(input.remaining) }, (): LabelPair => [
    input.sizedText(),
    input.sizedText(),
  ]);
}

function writeColumn(out: ByteWriter, column: Float64Array): void {
  const isWhole = column.every(
    (value) =>
      value >= 0 && value <= Number.MAX_SAFE_INTEGER && Number.isInteger(value) && !Object.is(value, -0),
  );
  out.u8(isWhole ? asWhole : asDoubles);
  if (isWhole) for (const value of column) out.uvarint(value);
  else for (const value of column) out.f64(value);
}

function readColumn(input: ByteReader, length: number): Float64Array {
  const form = input.u8();
  if (form > asDoubles || length > input.remaining) throw new BytesError('a column of no known form');
  const column = new Float64Array(length);
  if (form === asWhole) input.uvarints(column);
  else for (let i = 0; i < length; i++) column[i] = input.f64();
  return column;
}

function guarded<T>(bytes: Uint8Array, read: (input: ByteReader) => T): T | undefined {
  try {
    const input = new ByteReader(bytes);
    const value = read(input);
    input.expectEnd();
    return value;
  } catch (error) {
    if (error instanceof BytesError) return undefined;
    throw error;
  }
}
