/**
 * Writes log lines for `/api/prom/query`, the answer shape of Loki's first versions: step *respond* of a
 * query.
 */
import type { Work } from '@loki/engine';
import { goJsonString } from '@loki/go';
import { nsPerMs, nsPerSecond } from '@loki/model';
import type { LogLeafResult } from '@loki/ports';
import { groupStreams, writeLine } from './encode-result.ts';
import type { JsonWriter } from './json-writer.ts';

/** Rows between two pauses; a long line weighs more than one. */
const rowsPerSlice = 256;

/**
 * Writes the member `streams` of a log query's answer in the shape of Loki's first versions, without braces.
 */
export function* encodeLegacy(rows: LogLeafResult, out: JsonWriter): Work<void> {
  const write = writeLine(rows, out);
  const streams = yield* groupStreams(rows, 'merged');
  out.json('"streams":[');
  let weight = 0;
  for (const [i, stream] of streams.entries()) {
    out.json(`${i === 0 ? '' : ','}{"labels":${goJsonString(stream.text)},"entries":[`);
    for (const [k, row] of stream.rows.entries()) {
      out.json(`${k === 0 ? '' : ','}{"ts":"${rfc3339Nano(rows.timestampNs[row])}","line":`);
      weight += write(row);
      out.json('}');
      if (weight < rowsPerSlice) continue;
      weight = 0;
      yield;
    }
    out.json(']}');
  }
  out.json(']');
}

function rfc3339Nano(ns: bigint): string {
  const fraction = ns % nsPerSecond;
  const seconds = new Date(Number(ns / nsPerMs)).toISOString().slice(0, 19);
  return fraction === 0n
    ? `${seconds}Z`
    : `${seconds}.${fraction.toString().padStart(9, '0').replace(/0+$/, '')}Z`;
}
