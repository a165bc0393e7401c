/** Bytes of cached results: sample states and lists of streams. */
import { ByteReader, BytesError, ByteWriter } from '@loki/bytes';
import type { Work } from '@loki/engine';
import type { LabelPair } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { SampleLeafResult, SeriesState, StreamVolume, VolumeBuckets } from '@loki/ports';

/** The encoding of a column's numbers: most columns are counts, which are small whole numbers. */
const asWhole = 0;
const asDoubles = 1;

/** Bytes between two pauses: a fraction of a millisecond. */
const bytesPerSlice = 32 * 1024;

/** Yields to other work after a number of written or read bytes. */
class Pauses {
  #at = 0;

  isDue(at: number): boolean {
    if (at - this.#at < bytesPerSlice) return false;
    this.#at = at;
    return true;
  }
}

/** Partial states as bytes, without their statistics; undefined above `bytesMax`. */
export function* encodeSamples(result: SampleLeafResult, bytesMax: number): Work<Uint8Array | undefined> {
  const out = new ByteWriter(4096);
  const pauses = new Pauses();
  out.uvarint(result.steps);
  out.uvarint(result.series.length);
  for (const state of result.series) {
    writeState(out, state);
    if (out.length > bytesMax) return undefined;
    if (pauses.isDue(out.length)) yield;
  }
  return out.take();
}

function writeState(out: ByteWriter, { labels, columns, samples }: SeriesState): void {
  writeLabels(out, labels);
  out.uvarint(columns.length);
  for (const column of columns) writeColumn(out, column);
  if (columns.length > 0) return;
  const { times, values } = samples!;
  out.uvarint(times.length);
  out.f64(times[0] ?? 0);
  writeColumn(out, distances(times));
  writeColumn(out, values);
}

/** @returns undefined when the bytes are not states of this many steps: a cache may return wrong bytes */
export function decodeSamples(bytes: Uint8Array, steps: number): Work<SampleLeafResult | undefined> {
  return guarded(bytes, function* (input) {
    if (input.uvarint() !== steps) throw new BytesError('states of other steps');
    const count = input.count(input.remaining);
    const series: SeriesState[] = [];
    const pauses = new Pauses();
    for (let i = 0; i < count; i++) {
      series.push(readState(input, steps));
      if (pauses.isDue(bytes.length - input.remaining)) yield;
    }
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

/**
 * The difference of each time from the one before: small whole numbers, except for times before the request's
 * start.
 */
function distances(times: Float64Array): Float64Array {
  return times.map((time, i) => (i === 0 ? 0 : time - times[i - 1]));
}

/** Maximum of columns of any operation. */
const columnsMax = 8;

/** Parts of a stream that may be absent, as bits. */
const hasVolume = 1;
const hasValues = 2;

/** Lists of streams, one for each segment, as bytes; undefined above `bytesMax`. */
export function* encodeStreams(
  lists: readonly (readonly StreamVolume[])[],
  bytesMax: number,
): Work<Uint8Array | undefined> {
  const out = new ByteWriter(4096);
  const pauses = new Pauses();
  out.uvarint(lists.length);
  for (const list of lists) {
    out.uvarint(list.length);
    for (const stream of list) {
      writeStream(out, stream);
      if (out.length > bytesMax) return undefined;
      if (pauses.isDue(out.length)) yield;
    }
  }
  return out.take();
}

function writeStream(out: ByteWriter, stream: StreamVolume): void {
  const { labels, entries, lineBytes, volume, values } = stream;
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

/** @returns undefined when the bytes are not this many lists */
export function decodeStreams(bytes: Uint8Array, lists: number): Work<StreamVolume[][] | undefined> {
  return guarded(bytes, function* (input) {
    if (input.uvarint() !== lists) throw new BytesError('lists of other segments');
    const pauses = new Pauses();
    const all: StreamVolume[][] = [];
    while (all.length < lists) {
      const list: StreamVolume[] = [];
      for (let remaining = input.count(input.remaining); remaining > 0; remaining--) {
        list.push(readStream(input));
        if (pauses.isDue(bytes.length - input.remaining)) yield;
      }
      all.push(list);
    }
    return all;
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
  for (let remaining = input.count(input.remaining); remaining > 0; remaining--) {
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

function* guarded<T>(bytes: Uint8Array, read: (input: ByteReader) => Work<T>): Work<T | undefined> {
  try {
    const input = new ByteReader(bytes);
    const value = yield* read(input);
    input.expectEnd();
    return value;
  } catch (error) {
    if (error instanceof BytesError) return undefined;
    throw error;
  }
}
