import { FieldDetector, fieldTypeOf } from '@loki/engine';
import type { FieldType, Work } from '@loki/engine';
import type { LabelSet, LogLeafResult } from '@loki/ports';
import { groupStreams } from './encode-result.ts';

export interface DetectedField {
  readonly label: string;
  /** Of the last value. */
  type: FieldType;
  readonly values: Set<string>;
  /** None for structured metadata. */
  readonly parsers: Set<string>;
  /** Keys on the way to it in the last JSON line that has it; undefined where a stage of the query made it there. */
  jsonPath: readonly string[] | undefined;
}

/** Line bytes that are read; a few megabytes tell the fields of a query's lines as well as all would. */
const lineBytesMax = 8 * 1024 * 1024;

/**
 * Fields of the lines that a query selects: their structured metadata, the labels that the query's stages made, and
 * those that JSON or logfmt makes of the line as it came out of the query. Each line is read once. Lines follow each other
 * as in a query's answer, stream by stream, so that the last value is the same for every cut of the query.
 */
export class FieldCollector {
  readonly #fieldsMax: number;
  readonly #detector = new FieldDetector();
  readonly fields = new Map<string, DetectedField>();

  constructor(fieldsMax: number) {
    this.#fieldsMax = fieldsMax;
  }

  *add(rows: LogLeafResult): Work<void> {
    const lines = Buffer.from(rows.lines.buffer, rows.lines.byteOffset, rows.lines.byteLength);
    let bytes = 0;
    for (const stream of groupStreams(rows, 'categorized')) {
      for (const row of stream.rows) {
        const line = lines.subarray(row === 0 ? 0 : rows.lineEnds[row - 1], rows.lineEnds[row]);
        if (bytes > 0 && bytes + line.length > lineBytesMax) return;
        bytes += line.length;
        this.#addLine(rows.labelSets[rows.labelSet[row]], line);
        yield;
      }
    }
  }

  #addLine(set: LabelSet, line: Buffer): void {
    for (const [name, value] of set.structuredMetadata) this.#add(name, value);
    const detected = this.#detector.detect(set.stream, line);
    const { parser, names, values, count } = detected;
    for (const [name, value] of set.parsed) {
      const field = this.#add(name, value, parser);
      if (field && parser === 'json') field.jsonPath = undefined;
    }
    for (let i = 0; i < count; i++) {
      const field = this.#add(names[i], values[i], parser);
      if (field && parser === 'json') field.jsonPath = detected.pathOf(i);
    }
  }

  /** @returns undefined when there are enough other fields */
  #add(label: string, value: string, parser?: string): DetectedField | undefined {
    if (isErrorLabel(label)) return undefined;
    let field = this.fields.get(label);
    if (!field) {
      if (this.fields.size >= this.#fieldsMax) return undefined;
      field = { label, type: 'string', values: new Set(), parsers: new Set(), jsonPath: undefined };
      this.fields.set(label, field);
    }
    field.type = fieldTypeOf(value);
    field.values.add(value);
    if (parser !== undefined) field.parsers.add(parser);
    return field;
  }
}

/** Marks of a stage that failed are no fields. */
function isErrorLabel(name: string): boolean {
  return name === '__error__' || name === '__error_details__';
}
