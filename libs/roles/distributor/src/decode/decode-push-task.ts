/** Decodes a large push in a worker thread and moves its columns back: step *decode* of a written line. */
import type { Limits } from '@loki/config';
import { LokiError } from '@loki/model';
import type { SlicedWork, Task } from '@loki/ports';
import { labelTextOfJson } from '../json/label-text.ts';
import { MetadataNames } from '../rows/metadata-names.ts';
import { PushRows } from '../rows/push-rows.ts';
import { weightOfRows } from '../rows/row-columns.ts';
import type { RowColumns } from '../rows/row-columns.ts';
import type { ResolvedStream } from '../streams/resolve-stream.ts';
import type { StreamLookup } from '../streams/stream-cache.ts';
import { decodePush } from './decode-push.ts';
import type { PushBody } from './decode-push.ts';
import { OtlpActionsCache } from './otlp-actions-cache.ts';
import type { BodyBounds } from './read-body.ts';
import { SnappyDecoder } from './snappy-decoder.ts';

/** A push that is too large for the thread of other requests. */
interface DecodeInput extends PushBody {
  readonly otlp: Limits['otlp'];
  readonly otlpIndexAttributes: readonly string[];
  readonly nowMs: number;
  readonly bounds: BodyBounds;
  /** The sender does not use the body afterwards: its memory is moved, not copied. */
  readonly isLastTry: boolean;
}

/** Columns of a push, ready to be moved between threads. A repeated text is sent once. */
export interface DecodedPush extends RowColumns {
  readonly names: readonly string[];
  readonly nameCodes: Uint32Array;
  /** All values in one buffer: thousands of texts would cost the receiver as much as decoding. */
  readonly valueText: string;
  readonly valueEnds: Uint32Array;
  readonly valueCodes: Uint32Array;
  readonly pairBytes: Uint32Array;
  readonly streamTexts: readonly string[];
  readonly streamCodes: Uint32Array;
  readonly streamFirstRow: Uint32Array;
}

/** Different names of structured metadata in one push: the receiver makes all their texts without a pause. */
const namesMax = 1 << 16;

/** Decompresses and decodes a large push, away from the thread that serves requests. */
export const decodePushTask: Task<DecodeInput, DecodedPush> = {
  name: 'distributor.decodePush',
  run(input) {
    const rows = new PushRows();
    const texts = new StreamTexts();
    // Bytes from another thread are a plain Uint8Array.
    const { buffer, byteOffset, length } = input.body;
    decodePush(
      { ...input, body: Buffer.from(buffer, byteOffset, length) },
      {
        rows,
        snappy: new SnappyDecoder(),
        streams: texts,
        limits: input,
        actions: () => new OtlpActionsCache(input.otlpIndexAttributes).of(input),
        names: new MetadataNames(),
        nowMs: input.nowMs,
        bounds: input.bounds,
      },
    );
    const decoded = packed(rows);
    // Collects garbage before the next body arrives: the collector alone would run later.
    rows.free();
    return decoded;
  },
  transfer: ({ body, isLastTry }) => (isLastTry && isWhole(body) ? [body.buffer] : []),
  transferOutput: (output) =>
    Object.values(output as unknown as Record<string, unknown>).flatMap((column) =>
      ArrayBuffer.isView(column) && isWhole(column) ? [column.buffer] : [],
    ),
};

function isWhole(view: ArrayBufferView): view is ArrayBufferView<ArrayBuffer> {
  return view.buffer instanceof ArrayBuffer && view.byteLength === view.buffer.byteLength;
}

/**
 * Collects the label texts of streams; the receiving thread resolves them, because it has the cache of
 * streams.
 */
class StreamTexts implements StreamLookup {
  readonly #streams = new Map<string, ResolvedStream>();

  ofText(text: string): ResolvedStream {
    let stream = this.#streams.get(text);
    if (!stream) this.#streams.set(text, (stream = { text } as ResolvedStream));
    return stream;
  }

  ofTextBytes(bytes: Buffer, start: number, end: number): ResolvedStream {
    return this.ofText(bytes.toString('utf8', start, end));
  }

  ofJsonBytes(bytes: Buffer, start: number, end: number): ResolvedStream {
    const labels = labelTextOfJson(bytes, { start, end });
    if ('problem' in labels) throw new LokiError('internal', 'labels were looked at before');
    return this.ofText(labels.text);
  }
}

function packed(rows: PushRows): DecodedPush {
  const { rowCount } = rows;
  const names = codesOf(rows.pairNames);
  const values = codesOf(rows.pairValues);
  const streams = codesOf(rows.streams.map(({ text }) => text));
  if (names.texts.length > namesMax) {
    throw new LokiError(
      'bodyTooLarge',
      `request body too large: more than ${namesMax} names of structured metadata`,
    );
  }
  let end = 0;
  return {
    bytes: rows.bytes,
    extra: Uint8Array.prototype.slice.call(rows.extra, 0, rows.extraLength),
    hasValidNames: rows.hasValidNames,
    seconds: rows.seconds.slice(0, rowCount),
    nanos: rows.nanos.slice(0, rowCount),
    lineStart: rows.lineStart.slice(0, rowCount),
    lineEnd: rows.lineEnd.slice(0, rowCount),
    inExtra: rows.inExtra.slice(0, rowCount),
    pairEnd: rows.pairEnd.slice(0, rowCount),
    names: names.texts,
    nameCodes: names.codes,
    valueText: values.texts.join(''),
    valueEnds: Uint32Array.from(values.texts, (text) => (end += text.length)),
    valueCodes: values.codes,
    pairBytes: Uint32Array.from(rows.pairBytes),
    streamTexts: streams.texts,
    streamCodes: streams.codes,
    streamFirstRow: Uint32Array.from(rows.streamFirstRow),
  };
}

/** Approximate bytes of the unpacked columns. */
export function weightOf(push: DecodedPush): number {
  const { bytes, extra, seconds, nameCodes, valueText, streamCodes } = push;
  return weightOfRows({
    bytes: bytes.length + extra.length + 2 * valueText.length,
    rows: seconds.length,
    pairs: nameCodes.length,
    streams: streamCodes.length,
  });
}

function codesOf(all: readonly string[]): { readonly texts: readonly string[]; readonly codes: Uint32Array } {
  const codeOfText = new Map<string, number>();
  const codes = new Uint32Array(all.length);
  for (let i = 0; i < all.length; i++) {
    let code = codeOfText.get(all[i]);
    if (code === undefined) codeOfText.set(all[i], (code = codeOfText.size));
    codes[i] = code;
  }
  return { texts: [...codeOfText.keys()], codes };
}

/** Items between two looks at the clock: each costs some nanoseconds, a new stream some microseconds. */
const pairsPerSlice = 4096;
const streamsPerSlice = 64;

/** Fills `rows` with the columns that another thread has decoded. */
export function* unpack(push: DecodedPush, rows: PushRows, streams: StreamLookup): SlicedWork<void> {
  rows.adopt(push, streams);
  const { names, nameCodes, valueText, valueEnds, valueCodes, pairBytes } = push;
  const values: string[] = [];
  for (let i = 0; i < valueEnds.length; i++) {
    values.push(valueText.slice(i === 0 ? 0 : valueEnds[i - 1], valueEnds[i]));
    if (i % pairsPerSlice === 0) yield;
  }
  for (let pair = 0; pair < nameCodes.length; pair++) {
    rows.addSizedPair(names[nameCodes[pair]], values[valueCodes[pair]], pairBytes[pair]);
    if (pair % pairsPerSlice === 0) yield;
  }
  const resolved: ResolvedStream[] = [];
  for (let i = 0; i < push.streamTexts.length; i++) {
    resolved.push(streams.ofText(push.streamTexts[i]));
    if (i % streamsPerSlice === 0) yield;
  }
  for (let i = 0; i < push.streamCodes.length; i++) {
    rows.streamFirstRow.push(push.streamFirstRow[i]);
    rows.endResolved(resolved[push.streamCodes[i]]);
    if (i % pairsPerSlice === 0) yield;
  }
}
