/**
 * Writes the accepted rows of a push into the batches of their partitions: step *batch* of a written line.
 */
import type { Limits } from '@loki/config';
import type { RowWriter } from '@loki/segment';
import {
  detectLevel,
  levelOfSeverityNumber,
  normalizeLevel,
  unknownLevel,
} from '../levels/detected-level.ts';
import { findGenericFields } from '../levels/generic-fields.ts';
import type { GenericField } from '../levels/generic-fields.ts';
import type { PushRows } from '../rows/push-rows.ts';
import { compiledLimits } from '../streams/compiled-limits.ts';
import type { ResolvedStream } from '../streams/resolve-stream.ts';

const levelName = 'detected_level';

/** Consecutive rows of a push, of the stream that it names at `place`. */
interface RowSpan {
  readonly place: number;
  readonly from: number;
  readonly end: number;
}

/** Rows of one stream that are written to one partition without a pause. */
interface StreamRun {
  readonly partition: number;
  readonly spans: readonly RowSpan[];
}

/**
 * Bytes that count for a row in addition to its line, and for each pair of its metadata: runs of empty lines
 * are bounded, too.
 */
const bytesPerRow = 12;
const bytesPerPair = 64;

/**
 * The rows of one stream, from all places where the push names it, as runs of about `bytesMax`: some clients
 * name a stream anew for each line, and a head handles each run separately.
 *
 * @param partition of all rows, or of each
 */
export function* runsOfStream(
  rows: PushRows,
  places: readonly number[],
  { partition, bytesMax }: { partition: number | ((row: number) => number); bytesMax: number },
): Generator<StreamRun> {
  let spans: RowSpan[] = [];
  let bytes = 0;
  let current = -1;
  for (const place of places) {
    const end = rows.streamRowEnd(place);
    for (let row = rows.streamFirstRow[place]; row < end;) {
      const next = typeof partition === 'number' ? partition : partition(row);
      if (spans.length > 0 && (next !== current || bytes >= bytesMax)) {
        yield { partition: current, spans };
        spans = [];
        bytes = 0;
      }
      current = next;
      const from = row;
      do {
        const pairs = rows.pairEnd[row] - rows.pairStart(row);
        bytes += rows.lineEnd[row] - rows.lineStart[row] + bytesPerRow + pairs * bytesPerPair;
        row++;
      } while (
        row < end &&
        bytes < bytesMax &&
        (typeof partition === 'number' || partition(row) === current)
      );
      spans.push({ place, from, end: row });
    }
  }
  if (spans.length > 0) yield { partition: current, spans };
}

/** Writes the valid rows of a run, with the detected level of each. */
export function writeRun(rows: PushRows, { spans }: StreamRun, limits: Limits, writer: RowWriter): void {
  writer.beginRun(rows.streams[spans[0].place].labels);
  try {
    for (const { place, from, end } of spans) {
      writeRows(rows, from, end, limits, rows.streams[place], writer);
    }
  } finally {
    // An open run would spoil the batch for every push in it.
    writer.endRun();
  }
}

function writeRows(
  rows: PushRows,
  from: number,
  to: number,
  limits: Limits,
  stream: ResolvedStream,
  writer: RowWriter,
): void {
  const addsMetadata = limits.allowStructuredMetadata && !stream.isInternal;
  const findsLevel = limits.discoverLogLevels && addsMetadata;
  const genericFields = addsMetadata ? compiledLimits(limits).genericFields : [];
  for (let row = from; row < to; row++) {
    if (rows.isRefused[row] === 1) continue;
    writer.addRow(
      rows.seconds[row],
      rows.nanos[row],
      rows.lineBuffer(row),
      rows.lineStart[row],
      rows.lineEnd[row],
    );
    const pairEnd = rows.pairEnd[row];
    for (let pair = rows.pairStart(row); pair < pairEnd; pair++) {
      // An empty value means that the pair is absent.
      if (rows.pairValues[pair] !== '') writer.addMetadata(rows.pairNames[pair], rows.pairValues[pair]);
    }
    if (findsLevel) writer.addMetadata(levelName, levelOfRow(rows, row, stream, limits));
    if (genericFields.length > 0) {
      for (const [name, value] of genericFieldsOf(rows, row, stream, genericFields)) {
        writer.addMetadata(name, value);
      }
    }
  }
}

function genericFieldsOf(
  rows: PushRows,
  row: number,
  stream: ResolvedStream,
  fields: readonly GenericField[],
) {
  const [from, to] = [rows.pairStart(row), rows.pairEnd[row]];
  return findGenericFields(fields, {
    labels: stream.labels,
    metadata: (name) => {
      for (let pair = from; pair < to; pair++) {
        if (rows.pairNames[pair] === name) return rows.pairValues[pair];
      }
      return undefined;
    },
    line: () => rows.lineBuffer(row).toString('utf8', rows.lineStart[row], rows.lineEnd[row]),
  });
}

/** In order: own `detected_level`, a label, a metadata field, OTLP's severity number, the line. */
function levelOfRow(rows: PushRows, row: number, stream: ResolvedStream, limits: Limits): string {
  const compiled = compiledLimits(limits);
  const from = rows.pairStart(row);
  const to = rows.pairEnd[row];
  if (from < to) {
    const stated = levelOfMetadata(rows, from, to, stream, compiled.levelRanks);
    if (stated !== undefined) return stated;
  } else if (stream.level !== undefined) return stream.level;
  return detectLevel(
    rows.lineBuffer(row),
    rows.lineStart[row],
    rows.lineEnd[row],
    compiled.lineLevelFields,
    limits.logLevelFromJsonMaxDepth,
  );
}

function levelOfMetadata(
  rows: PushRows,
  from: number,
  to: number,
  stream: ResolvedStream,
  ranks: ReadonlyMap<string, number>,
): string | undefined {
  let best = Number.POSITIVE_INFINITY;
  let field: string | undefined;
  let severity: string | undefined;
  for (let pair = from; pair < to; pair++) {
    const value = rows.pairValues[pair];
    if (value === '') continue;
    const name = rows.pairNames[pair];
    if (name === levelName) return normalizeLevel(value);
    if (name === 'severity_number') severity = value;
    const rank = ranks.get(name);
    if (rank !== undefined && rank < best) {
      best = rank;
      field = value;
    }
  }
  if (stream.level !== undefined) return stream.level;
  if (field !== undefined) return normalizeLevel(field);
  return severity === undefined ? undefined : (levelOfSeverityNumber(severity) ?? unknownLevel);
}
