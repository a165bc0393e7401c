/** Writes a query's result as the JSON of Loki's API, in slices: step *respond* of a query. */
import { isUtf8 } from 'node:buffer';
import { sorted } from '@loki/engine';
import type { QueryResult, Work } from '@loki/engine';
import { goJsonString, quoteGo } from '@loki/go';
import { compareText, nsPerMs } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { LabelSet, LogLeafResult } from '@loki/ports';
import type { JsonWriter } from './json-writer.ts';

/** Labels of an entry in the answer: merged into one map per stream, or in categories by their origin. */
export type LabelEncoding = 'merged' | 'categorized';

/** Samples between two pauses: about a millisecond. */
const cellsPerSlice = 4096;
/** Labels likewise: a parser may have made twenty for each row. */
const labelsPerSlice = 1024;
/** A row costs as much as this many labels. */
const rowLabels = 4;

/**
 * Writes the members of `data` for a query's answer, without braces, so that the caller can add `stats`. An
 * answer may have a hundred megabytes: the work yields between slices.
 */
export function* encodeData(result: QueryResult, encoding: LabelEncoding, out: JsonWriter): Work<void> {
  if (result.type === 'streams') {
    const flags = encoding === 'categorized' ? '"encodingFlags":["categorize-labels"],' : '';
    out.json(`"resultType":"streams",${flags}"result":[`);
    yield* encodeStreams(result.rows, encoding, out);
    out.json(']');
  } else {
    yield* encodeSamples(result, out);
  }
}

function* encodeSamples(result: Exclude<QueryResult, { type: 'streams' }>, out: JsonWriter): Work<void> {
  switch (result.type) {
    case 'matrix':
      return yield* encodeMatrix(result, out);
    case 'vector': {
      const time = secondsText(result.timeNs);
      out.json('"resultType":"vector","result":[');
      for (let i = 0; i < result.samples.length; i++) {
        const { labels, value } = result.samples[i];
        const metric = pairsJson(labels);
        out.json(`${i === 0 ? '' : ','}{"metric":${metric},"value":[${time},"${sampleText(value)}"]}`);
        if (i % cellsPerSlice === 0) yield;
      }
      return out.json(']');
    }
    case 'scalar':
      // Milliseconds, where everything else has seconds: Loki's quirk.
      out.json(`"resultType":"scalar","result":[${result.timeNs / nsPerMs},"${sampleText(result.value)}"]`);
  }
}

function* encodeMatrix(
  { series, startNs, stepNs, steps }: Extract<QueryResult, { type: 'matrix' }>,
  out: JsonWriter,
): Work<void> {
  const times = stepTimes(startNs, stepNs, steps);
  out.json('"resultType":"matrix","result":[');
  for (let i = 0, cells = 0; i < series.length; i++) {
    const { labels, values, present } = series[i];
    out.json(`${i === 0 ? '' : ','}{"metric":${pairsJson(labels)},"values":[`);
    let points = '';
    for (let k = 0; k < steps; k++) {
      if (present[k] === 0) continue;
      points += `${points === '' ? '' : ','}[${times[k]},"${sampleText(values[k])}"]`;
    }
    out.json(points);
    out.json(']}');
    cells += steps;
    if (cells < cellsPerSlice) continue;
    cells = 0;
    yield;
  }
  out.json(']');
}

/** Rows of one result stream, in row order. */
interface ResultStream {
  /**
   * Sorted by name. Labels from a parser are shown even with an empty value, unlike a stream's own labels.
   */
  readonly labels: readonly LabelPair[];
  /** Labels in Loki's text form. */
  readonly text: string;
  readonly rows: number[];
}

/**
 * Groups rows into result streams, sorted by label text. Merged: a stream is identified by all labels;
 * categorized: by the labels of the `stream` category only.
 */
export function* groupStreams(rows: LogLeafResult, encoding: LabelEncoding): Work<ResultStream[]> {
  const texts = new PairTexts(([name, value]) => `${name}=${quoteGo(value)}`);
  const streams = new Map<string, ResultStream>();
  const streamOf: ResultStream[] = [];
  let weight = 0;
  for (const set of rows.labelSets) {
    const labels = encoding === 'merged' ? mergedLabels(set) : set.stream;
    texts.share(set.stream);
    const text = `{${labels.map((pair) => texts.of(pair)).join(', ')}}`;
    let stream = streams.get(text);
    if (!stream) streams.set(text, (stream = { labels, text, rows: [] }));
    streamOf.push(stream);
    weight += labels.length;
    if (weight < labelsPerSlice) continue;
    weight = 0;
    yield;
  }
  for (let row = 0; row < rows.labelSet.length; row++) streamOf[rows.labelSet[row]].rows.push(row);
  const filled = [...streams.values()].filter((stream) => stream.rows.length > 0);
  return yield* sorted(filled, (a, b) => compareText(a.text, b.text));
}

/**
 * Parsed labels win over structured metadata, and that over the stream's own: the order in which stages look
 * them up.
 */
export function mergedLabels(set: LabelSet): readonly LabelPair[] {
  return overlaid(overlaid(set.stream, set.structuredMetadata), set.parsed);
}

/** Merges two sorted lists; the second one wins where both have a name. */
function overlaid(base: readonly LabelPair[], overlay: readonly LabelPair[]): readonly LabelPair[] {
  if (overlay.length === 0) return base;
  const merged: LabelPair[] = [];
  let i = 0;
  for (const pair of overlay) {
    while (i < base.length && compareText(base[i][0], pair[0]) < 0) merged.push(base[i++]);
    if (i < base.length && base[i][0] === pair[0]) i++;
    merged.push(pair);
  }
  while (i < base.length) merged.push(base[i++]);
  return merged;
}

/**
 * Texts of label pairs. Sets of one stream share its pairs, so their texts are cached. Pairs from parsers
 * rarely repeat: caching their texts would cost more than making them again.
 */
class PairTexts {
  readonly #textOf: (pair: LabelPair) => string;
  readonly #shared = new Map<LabelPair, string>();

  constructor(textOf: (pair: LabelPair) => string) {
    this.#textOf = textOf;
  }

  share(stream: readonly LabelPair[]): void {
    for (const pair of stream) if (!this.#shared.has(pair)) this.#shared.set(pair, this.#textOf(pair));
  }

  of(pair: LabelPair): string {
    return this.#shared.get(pair) ?? this.#textOf(pair);
  }
}

/** Bytes of a line that cost as much as a row: 256 lines of 40 KB took 110 ms. */
const lineBytesPerRow = 1024;

/**
 * Writes a row's line as a JSON string, and returns how many rows it weighs. Looks at all lines once, at
 * first.
 */
export function writeLine(rows: LogLeafResult, out: JsonWriter): (row: number) => number {
  const lines = Buffer.from(rows.lines.buffer, rows.lines.byteOffset, rows.lines.byteLength);
  const { lineEnds } = rows;
  const areUtf8 = isUtf8(lines);
  return (row) => {
    const start = row === 0 ? 0 : lineEnds[row - 1];
    const end = lineEnds[row];
    if (areUtf8) out.utf8(lines, start, end);
    else out.json(goJsonString(lineText(lines, lineEnds, row)));
    return 1 + (end - start) / lineBytesPerRow;
  };
}

function* encodeStreams(rows: LogLeafResult, encoding: LabelEncoding, out: JsonWriter): Work<void> {
  const write = writeLine(rows, out);
  const thirds: string[] | undefined = encoding === 'categorized' ? [] : undefined;
  const texts = new PairTexts(pairJson);
  const textOf = (pair: LabelPair) => texts.of(pair);
  const streams = yield* groupStreams(rows, encoding);
  let weight = 0;
  for (const [i, stream] of streams.entries()) {
    texts.share(rows.labelSets[rows.labelSet[stream.rows[0]]].stream);
    out.json(`${i === 0 ? '' : ','}{"stream":${pairsJson(stream.labels, textOf)},"values":[`);
    weight += stream.labels.length;
    for (let k = 0; k < stream.rows.length; k++) {
      const row = stream.rows[k];
      out.json(`${k === 0 ? '' : ','}["${rows.timestampNs[row]}",`);
      weight += rowLabels * write(row);
      if (thirds) {
        const set = rows.labelSet[row];
        const { structuredMetadata, parsed } = rows.labelSets[set];
        if (thirds[set] === undefined) weight += structuredMetadata.length + parsed.length;
        out.json(`,${(thirds[set] ??= categoriesJson(rows.labelSets[set]))}]`);
      } else out.json(']');
      if (weight < labelsPerSlice) continue;
      weight = 0;
      yield;
    }
    out.json(']}');
  }
}

export function lineText(lines: Buffer, ends: Uint32Array, row: number): string {
  return lines.toString('utf8', row === 0 ? 0 : ends[row - 1], ends[row]);
}

/** The third element of a categorized entry: labels that are not the stream's, by origin. */
export function categoriesJson(set: LabelSet): string {
  const parts: string[] = [];
  if (set.structuredMetadata.length > 0) {
    parts.push(`"structuredMetadata":${pairsJson(set.structuredMetadata)}`);
  }
  if (set.parsed.length > 0) parts.push(`"parsed":${pairsJson(set.parsed)}`);
  return `{${parts.join(',')}}`;
}

function stepTimes(startNs: bigint, stepNs: bigint, steps: number): string[] {
  return Array.from({ length: steps }, (_, k) => secondsText(startNs + BigInt(k) * stepNs));
}

/** Unix seconds, with milliseconds only when there are some: `1700000000` or `1700000000.142`. */
export function secondsText(ns: bigint): string {
  const ms = ns / nsPerMs;
  return String(Number(ms) / 1000);
}

/** Shortest decimal that reads back as the same double, in Go's form of it. */
function sampleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  if (Object.is(value, -0)) return '-0';
  const text = String(value);
  const at = text.indexOf('e');
  return at < 0 ? text : expand(text.slice(0, at), Number(text.slice(at + 1)));
}

/** Prometheus prints samples without an exponent, however long that gets. */
function expand(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith('-') ? '-' : '';
  const [whole, fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = whole + fraction;
  const point = whole.length + exponent;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits + '0'.repeat(point - digits.length);
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/**
 * A JSON object of label pairs, in the order given.
 *
 * @param textOf returns the member of a pair; a caller may cache members
 */
export function pairsJson(pairs: Iterable<LabelPair>, textOf = pairJson): string {
  const parts: string[] = [];
  for (const pair of pairs) parts.push(textOf(pair));
  return `{${parts.join(',')}}`;
}

/** A label as a member of an object. */
export function pairJson([name, value]: LabelPair): string {
  return `${goJsonString(name)}:${goJsonString(value)}`;
}
