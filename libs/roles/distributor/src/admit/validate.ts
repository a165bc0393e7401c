/** Checks each row of a push against the tenant's limits: step *validate* of a written line. */
import type { Limits } from '@loki/config';
import type { SlicedWork } from '@loki/ports';
import { rfc3339Seconds } from '../json/time-text.ts';
import type { Discards } from '../rows/discards.ts';
import type { MetadataNames } from '../rows/metadata-names.ts';
import type { PushErrors } from '../rows/push-errors.ts';
import type { PushRows } from '../rows/push-rows.ts';
import type { DiscardReason } from '../streams/discard.ts';
import type { ResolvedStream } from '../streams/resolve-stream.ts';

/** The limits, and the objects to which validation reports. */
interface ValidationContext {
  readonly limits: Limits;
  readonly nowMs: number;
  readonly names: MetadataNames;
  /**
   * Bytes of the largest record of the write log: no entry can be larger, even if the tenant's limits allow
   * it.
   */
  readonly recordBytesMax: number;
  /** The push is a backfill: entries may have any age. */
  readonly isBackfill: boolean;
  /** Retention is on: an entry that queries would not return is refused. */
  readonly removesExpired: boolean;
  /**
   * The reason why entries of a policy are refused now; undefined: they are accepted. '': refused silently.
   */
  readonly blockedText: (policy: string) => string | undefined;
  readonly errors: PushErrors;
  readonly discards: Discards;
}

/** Rows between two looks at the clock, where other requests get the thread. */
const rowsPerSlice = 1024;
const streamsPerSlice = 256;

/** Sums over the valid rows of a push. */
export interface ValidRows {
  readonly lines: number;
  /** Line and metadata bytes. */
  readonly bytes: number;
  readonly metadataBytes: number;
  readonly truncated: number;
  /** Unix seconds of the newest row; -Infinity when there is none. */
  readonly newestSeconds: number;
}

/**
 * Checks every row of a push against the tenant's limits: sets `isRefused`, cuts long lines if the tenant's
 * limits say so, makes metadata names valid, moves repeated timestamps. Streams without entries are not
 * checked at all.
 *
 * @throws LokiError 500 for a metadata name that cannot be made valid: then nothing of the push is stored, as
 *   in Loki
 */
export function* validateRows(rows: PushRows, context: ValidationContext): SlicedWork<ValidRows> {
  const { limits, errors, discards } = context;
  const total = {
    lines: 0,
    bytes: 0,
    metadataBytes: 0,
    truncated: 0,
    newestSeconds: Number.NEGATIVE_INFINITY,
  };
  for (let index = 0; index < rows.streams.length; index++) {
    const from = rows.streamFirstRow[index];
    const to = rows.streamRowEnd(index);
    if (index % streamsPerSlice === 0) yield;
    if (from === to) continue;
    const stream = rows.streams[index];
    if (stream.rejection) {
      refuseAll(rows, from, to, stream.rejection.reason, { discards, policy: stream.policy });
      errors.add(stream.rejection.text);
      continue;
    }
    const blocked = context.blockedText(stream.policy);
    if (blocked !== undefined) {
      refuseAll(rows, from, to, 'blocked_ingestion_policy', { discards, policy: stream.policy });
      if (blocked !== '') errors.add(blocked);
      continue;
    }
    const check = new RowCheck(rows, stream, context);
    for (let row = from; row < to; row++) {
      if (row % rowsPerSlice === 0) yield;
      if (limits.maxLineSizeTruncate && cutLongLine(rows, row, limits)) total.truncated++;
      if (!check.row(row)) continue;
      const metadataBytes = rows.metadataBytes(row);
      total.lines++;
      total.bytes += rows.lineEnd[row] - rows.lineStart[row] + metadataBytes;
      total.metadataBytes += metadataBytes;
      if (rows.seconds[row] > total.newestSeconds) total.newestSeconds = rows.seconds[row];
    }
    if (limits.incrementDuplicateTimestamp) moveRepeatedTimestamps(rows, from, to);
  }
  return total;
}

function refuseAll(
  rows: PushRows,
  from: number,
  to: number,
  reason: DiscardReason,
  { discards, policy }: { discards: Discards; policy: string },
): void {
  let bytes = 0;
  for (let row = from; row < to; row++) {
    rows.isRefused[row] = 1;
    bytes += rows.rowBytes(row);
  }
  discards.add(reason, to - from, bytes, policy);
}

/** Bytes of a record with one entry besides its line and labels: header, footer, indexes, its level. */
const recordOverheadBytes = 4096;
/** Bytes of each metadata column that only this entry has. */
const pairOverheadBytes = 64;

/** Checks the rows of one stream. */
class RowCheck {
  readonly #rows: PushRows;
  readonly #stream: ResolvedStream;
  readonly #context: ValidationContext;
  readonly #oldestSeconds: number;
  readonly #newestSeconds: number;
  readonly #entryBytesMax: number;
  #errorsLeft: number;

  constructor(rows: PushRows, stream: ResolvedStream, context: ValidationContext) {
    const { limits, nowMs } = context;
    this.#rows = rows;
    this.#stream = stream;
    this.#context = context;
    const sampleAgeMaxMs =
      limits.rejectOldSamples && !context.isBackfill ? limits.rejectOldSamplesMaxAgeMs : Infinity;
    const retentionMs = context.removesExpired ? stream.retentionMs : Infinity;
    this.#oldestSeconds = (nowMs - Math.min(sampleAgeMaxMs, retentionMs)) / 1000;
    this.#newestSeconds =
      limits.creationGracePeriodMs > 0
        ? (nowMs + limits.creationGracePeriodMs) / 1000
        : Number.POSITIVE_INFINITY;
    this.#entryBytesMax = context.recordBytesMax - recordOverheadBytes - 3 * stream.text.length;
    this.#errorsLeft =
      limits.maxReturnedStreamErrors > 0 ? limits.maxReturnedStreamErrors : Number.POSITIVE_INFINITY;
  }

  /** False: the row is refused, counted and reported. */
  row(row: number): boolean {
    const rows = this.#rows;
    const { limits } = this.#context;
    const time = rows.seconds[row] + rows.nanos[row] * 1e-9;
    if (time < this.#oldestSeconds) return this.#refuse(row, 'greater_than_max_sample_age');
    if (time > this.#newestSeconds) return this.#refuse(row, 'too_far_in_future');
    const lineBytes = rows.lineEnd[row] - rows.lineStart[row];
    if (limits.maxLineSizeBytes > 0 && lineBytes > limits.maxLineSizeBytes) {
      return this.#refuse(row, 'line_too_long');
    }
    const pairStart = rows.pairStart(row);
    const pairEnd = rows.pairEnd[row];
    if (lineBytes > this.#entryBytesMax) return this.#refuse(row, 'line_too_long');
    if (pairStart === pairEnd) return true;
    if (!limits.allowStructuredMetadata) return this.#refuse(row, 'disallowed_structured_metadata');
    if (
      limits.maxStructuredMetadataSizeBytes > 0 &&
      rows.metadataBytes(row) > limits.maxStructuredMetadataSizeBytes
    ) {
      return this.#refuse(row, 'structured_metadata_too_large');
    }
    const countMax = limits.maxStructuredMetadataEntriesCount;
    if (countMax > 0 && pairEnd - pairStart > countMax) {
      return this.#refuse(row, 'structured_metadata_too_many');
    }
    const pairBytes = rows.metadataBytes(row) + (pairEnd - pairStart) * pairOverheadBytes;
    if (lineBytes + pairBytes > this.#entryBytesMax) return this.#refuse(row, 'line_too_long');
    if (rows.hasValidNames) return true;
    const { names } = this.#context;
    for (let pair = pairStart; pair < pairEnd; pair++) {
      rows.pairNames[pair] = names.normalize(rows.pairNames[pair]);
    }
    return true;
  }

  #refuse(row: number, reason: DiscardReason): false {
    const { discards, errors } = this.#context;
    this.#rows.isRefused[row] = 1;
    discards.add(reason, 1, this.#rows.rowBytes(row), this.#stream.policy);
    if (this.#errorsLeft-- > 0) errors.add(this.#text(row, reason));
    return false;
  }

  #tooLongText(row: number, lineBytesMax: number): string {
    const rows = this.#rows;
    const lineBytes = rows.lineEnd[row] - rows.lineStart[row];
    const isLine = lineBytesMax > 0 && lineBytes > lineBytesMax;
    const [max, bytes] = isLine ? [lineBytesMax, lineBytes] : [this.#entryBytesMax, rows.rowBytes(row)];
    return `max entry size '${max}' bytes exceeded for stream '${this.#stream.text}' while adding an entry with length '${bytes}' bytes`;
  }

  #text(row: number, reason: DiscardReason): string {
    const rows = this.#rows;
    const { limits } = this.#context;
    const stream = this.#stream.text;
    const time = rfc3339Seconds(rows.seconds[row]);
    switch (reason) {
      case 'greater_than_max_sample_age':
        return `entry for stream '${stream}' has timestamp too old: ${time}, oldest acceptable timestamp is: ${rfc3339Seconds(this.#oldestSeconds)}`;
      case 'too_far_in_future':
        return `entry for stream '${stream}' has timestamp too new: ${time}`;
      case 'line_too_long':
        return this.#tooLongText(row, limits.maxLineSizeBytes);
      case 'disallowed_structured_metadata':
        return `stream '${stream}' includes structured metadata, but this feature is disallowed. Please see \`limits_config.allow_structured_metadata\` or contact your Loki administrator to enable it`;
      case 'structured_metadata_too_large':
        return `stream '${stream}' has structured metadata too large: '${rows.metadataBytes(row)}' bytes, limit: '${limits.maxStructuredMetadataSizeBytes}' bytes. Please see \`limits_config.max_structured_metadata_size\` or contact your Loki administrator to increase it`;
      default:
        return `stream '${stream}' has too many structured metadata labels: '${rows.pairEnd[row] - rows.pairStart(row)}', limit: '${limits.maxStructuredMetadataEntriesCount}'. Please see \`limits_config.max_structured_metadata_entries_count\` or contact your Loki administrator to increase it`;
    }
  }
}

/** Cuts a line to the allowed number of bytes, the tenant's identifier included. */
function cutLongLine(rows: PushRows, row: number, limits: Limits): boolean {
  const { maxLineSizeBytes: max, maxLineSizeTruncateIdentifier: suffix } = limits;
  if (max <= 0 || rows.lineEnd[row] - rows.lineStart[row] <= max) return false;
  const suffixBytes = Buffer.byteLength(suffix);
  if (suffixBytes === 0 || suffixBytes > max) rows.lineEnd[row] = rows.lineStart[row] + max;
  else rows.cutLine(row, max - suffixBytes, suffix);
  return true;
}

/** A row that repeats its predecessor's timestamp with a different line is moved 1 ns later. */
function moveRepeatedTimestamps(rows: PushRows, from: number, to: number): void {
  let lastSeconds = Number.NaN;
  let lastNanos = 0;
  let last = -1;
  for (let row = from; row < to; row++) {
    if (rows.isRefused[row] === 1) continue;
    const seconds = rows.seconds[row];
    const nanos = rows.nanos[row];
    if (seconds === lastSeconds && nanos === lastNanos && !isSameLine(rows, row, last)) {
      const nextNanos = rows.nanos[last] + 1;
      rows.seconds[row] = rows.seconds[last] + (nextNanos === 1_000_000_000 ? 1 : 0);
      rows.nanos[row] = nextNanos % 1_000_000_000;
    }
    lastSeconds = seconds;
    lastNanos = nanos;
    last = row;
  }
}

function isSameLine(rows: PushRows, a: number, b: number): boolean {
  const [aBytes, bBytes] = [rows.lineBuffer(a), rows.lineBuffer(b)];
  return aBytes.compare(bBytes, rows.lineStart[b], rows.lineEnd[b], rows.lineStart[a], rows.lineEnd[a]) === 0;
}
