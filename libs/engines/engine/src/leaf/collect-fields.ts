/** Detects the fields of a log query's lines: the route `/detected_fields`. */
import { mib } from '@loki/model';
import type { CheckCancelled, LabelSet, Task } from '@loki/ports';
import { fieldTypeOf } from '../common/field-type.ts';
import type { FieldType } from '../common/field-type.ts';
import { atOnce } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { FieldDetector } from '../pipeline/field-detector.ts';

/** The lines of a log query's answer, and the question about their fields. */
export interface FieldsTaskInput {
  readonly labelSets: readonly LabelSet[];
  readonly labelSet: Uint32Array;
  readonly lineEnds: Uint32Array;
  readonly lines: Uint8Array;
  /**
   * Rows, stream by stream in the order of the answer, so that a field's last value does not depend on how
   * the query is split.
   */
  readonly order: Uint32Array;
  readonly fieldsMax: number;
  /** If set, only this field is returned, with its values. */
  readonly valuesOf?: string;
  readonly valuesMax?: number;
}

/** A field of some lines. */
export interface DetectedField {
  readonly label: string;
  /** The type of the last value. */
  readonly type: FieldType;
  readonly cardinality: number;
  /** Parsers of the lines with the field; empty for structured metadata. */
  readonly parsers: readonly string[];
  /**
   * Path of keys to the field in the last JSON line that has it; absent when a stage of the query created it
   * there.
   */
  readonly jsonPath?: readonly string[];
  /** Present with `valuesOf` only. */
  readonly values?: readonly string[];
}

/** Most line bytes that are examined: a few megabytes show the fields of a query's lines. */
const lineBytesMax = 8 * mib;
/** Fields of one line between two pauses: about a millisecond. */
const fieldsPerSlice = 1024;

/** `collectFields` as a task of a worker. */
export const fieldsTask: Task<FieldsTaskInput, DetectedField[]> = {
  name: 'engine.fields',
  run: (input, _env, checkCancelled?: CheckCancelled) => atOnce(collectFields(input), checkCancelled),
};

/**
 * Fields of the lines that a query selects: their structured metadata, the labels from the query's stages,
 * and the fields that the JSON or logfmt parser finds in the line after the stages. Each line is parsed once.
 */
export function* collectFields(input: FieldsTaskInput): Work<DetectedField[]> {
  const { labelSets, labelSet, lineEnds, order, valuesOf, valuesMax } = input;
  const lines = Buffer.from(input.lines.buffer, input.lines.byteOffset, input.lines.byteLength);
  const collector = new FieldCollector(input.fieldsMax, valuesOf);
  let bytes = 0;
  for (const row of order) {
    const line = lines.subarray(row === 0 ? 0 : lineEnds[row - 1], lineEnds[row]);
    if (bytes > 0 && bytes + line.length > lineBytesMax) break;
    bytes += line.length;
    yield* collector.addLine(labelSets[labelSet[row]], line);
    yield;
  }
  return [...collector.fields.values()].map(({ label, type, values, parsers, jsonPath }) => ({
    label,
    type,
    cardinality: values.size,
    parsers: [...parsers],
    ...(jsonPath ? { jsonPath } : {}),
    ...(label === valuesOf ? { values: [...values].slice(0, valuesMax) } : {}),
  }));
}

interface OpenField {
  readonly label: string;
  type: FieldType;
  readonly values: Set<string>;
  readonly parsers: Set<string>;
  jsonPath: readonly string[] | undefined;
}

class FieldCollector {
  readonly #fieldsMax: number;
  readonly #only: string | undefined;
  readonly #detector = new FieldDetector();
  readonly fields = new Map<string, OpenField>();

  constructor(fieldsMax: number, only: string | undefined) {
    this.#fieldsMax = fieldsMax;
    this.#only = only;
  }

  *addLine(set: LabelSet, line: Buffer): Work<void> {
    for (const [name, value] of set.structuredMetadata) this.#add(name, value);
    const detected = this.#detector.detect(set.stream, line);
    const { parser, names, values, count } = detected;
    for (const [name, value] of set.parsed) {
      const field = this.#add(name, value, parser);
      if (field && parser === 'json') field.jsonPath = undefined;
    }
    for (let i = 0; i < count; i++) {
      if (i % fieldsPerSlice === fieldsPerSlice - 1) yield;
      const field = this.#add(names[i], values[i], parser);
      if (field && parser === 'json') field.jsonPath = detected.pathOf(i);
    }
  }

  /** @returns undefined when the field is not requested, or there are enough fields */
  #add(label: string, value: string, parser?: string): OpenField | undefined {
    if (isErrorLabel(label) || (this.#only !== undefined && label !== this.#only)) return undefined;
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

/** Labels of a failed stage are no fields. */
function isErrorLabel(name: string): boolean {
  return name === '__error__' || name === '__error_details__';
}
