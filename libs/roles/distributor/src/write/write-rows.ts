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

/**
 * Writes rows from .. end of one stream that were not refused, with the level each is found to have, until
 * there are about `bytesMax` of their bytes.
 *
 * @returns the row to go on with; `end` when all is written
 */
export function writeStreamRows(
  rows: PushRows,
  index: number,
  from: number,
  end: number,
  options: { readonly limits: Limits; readonly writer: RowWriter; readonly bytesMax: number },
): number {
  const stream = rows.streams[index];
  const { limits, writer, bytesMax } = options;
  const to = endOfBytes(rows, from, end, bytesMax);
  writer.beginRun(stream.labels);
  try {
    writeRows(rows, from, to, limits, stream, writer);
  } finally {
    // An open run would spoil the batch for all who share it.
    writer.endRun();
  }
  return to;
}

/** A row counts for so much beside its line, so that a slice of empty lines ends, too. */
const bytesPerRow = 12;

/** The row after the one with which rows reach `bytesMax`. */
function endOfBytes(rows: PushRows, from: number, end: number, bytesMax: number): number {
  let bytes = 0;
  for (let row = from; row < end; row++) {
    bytes += rows.lineEnd[row] - rows.lineStart[row] + bytesPerRow;
    if (bytes >= bytesMax) return row + 1;
  }
  return end;
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
      // An empty value means that there is no such metadata.
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
