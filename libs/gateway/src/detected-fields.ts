import { FieldDetector, fieldTypeOf, jsonPathOf } from '@loki/engine';
import type { FieldType } from '@loki/engine';
import type { LogExpr } from '@loki/logql';
import type { LabelSet, LogLeafResult } from '@loki/ports';
import { lineText } from './encode-result.ts';

export interface DetectedField {
  readonly label: string;
  type: FieldType;
  readonly values: Set<string>;
  /** None for structured metadata, and for labels that no parser made. */
  readonly parsers: Set<string>;
  /** Keys on the way to it, where it comes from JSON. */
  jsonPath: string[] | undefined;
}

/** Bytes of lines that are looked into; a few megabytes tell the fields of a query's lines as well as all would. */
const lineBytesMax = 8 * 1024 * 1024;

/** Fields of the lines that a query found: their structured metadata, and what the query or else we can parse. */
export class FieldCollector {
  readonly #fieldsMax: number;
  readonly #queryParsers: readonly string[];
  readonly #detector = new FieldDetector();
  readonly fields = new Map<string, DetectedField>();

  constructor(expr: LogExpr, fieldsMax: number) {
    this.#fieldsMax = fieldsMax;
    const kinds = expr.stages.map(({ kind }) => kind);
    this.#queryParsers = [...new Set(kinds.filter((kind) => kind === 'json' || kind === 'logfmt'))];
  }

  add(rows: LogLeafResult): void {
    const lines = Buffer.from(rows.lines.buffer, rows.lines.byteOffset, rows.lines.byteLength);
    for (let row = 0; row < rows.labelSet.length; row++) {
      const start = row === 0 ? 0 : rows.lineEnds[row - 1];
      if (start >= lineBytesMax) break;
      const set = rows.labelSets[rows.labelSet[row]];
      const line = () => lineText(lines, rows.lineEnds, row);
      for (const [name, value] of set.structuredMetadata) this.#add(name, value, [], line);
      const parsed = set.parsed.filter(([name]) => !isErrorLabel(name));
      if (parsed.length > 0) {
        for (const [name, value] of parsed) this.#add(name, value, this.#queryParsers, line);
      } else this.#detect(set, lines.subarray(start, rows.lineEnds[row]), line);
    }
  }

  #detect(set: LabelSet, bytes: Buffer, line: () => string): void {
    const found = this.#detector.detect(set, bytes);
    if (!found) return;
    const parsers = [found.parser];
    found.names.forEach((name, i) => this.#add(name, found.values[i], parsers, line));
  }

  #add(label: string, value: string, parsers: readonly string[], line: () => string): void {
    let field = this.fields.get(label);
    if (!field) {
      if (this.fields.size >= this.#fieldsMax) return;
      field = {
        label,
        type: fieldTypeOf(value),
        values: new Set(),
        parsers: new Set(),
        jsonPath: undefined,
      };
      this.fields.set(label, field);
    }
    field.values.add(value);
    for (const parser of parsers) {
      field.parsers.add(parser);
      if (parser === 'json') field.jsonPath ??= jsonPathOf(line(), label);
    }
  }
}

/** Marks of a stage that failed are no fields. */
function isErrorLabel(name: string): boolean {
  return name === '__error__' || name === '__error_details__';
}
