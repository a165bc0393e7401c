/** The stage `json` with paths. */
import { skipBlanks } from '@loki/go';
import type { ByteText } from '../common/byte-text.ts';
import { errorKinds } from '../common/error-labels.ts';
import { jsonValueAt, pathFailure } from './json-path.ts';
import type { JsonPath } from './json-path.ts';
import type { NeededLabels } from './needed-labels.ts';
import type { Row } from './row.ts';

/**
 * `| json a="b.c[0]", d`: extracts the values at some paths. A path without a value gives an empty label; a
 * broken value also marks the row with an error.
 */
export class JsonExtractStage {
  readonly #labels: readonly string[];
  readonly #paths: readonly JsonPath[];
  readonly #needed: NeededLabels;
  readonly #texts: ByteText;

  constructor(
    extractions: readonly { readonly label: string; readonly path: JsonPath }[],
    needed: NeededLabels,
    texts: ByteText,
  ) {
    this.#labels = extractions.map((extraction) => extraction.label);
    this.#paths = extractions.map((extraction) => extraction.path);
    this.#needed = needed;
    this.#texts = texts;
  }

  run(row: Row): boolean {
    const bytes = row.bytes;
    const end = row.end;
    if (row.start === end) return true;
    const start = skipBlanks(bytes, row.start, end);
    const first = start < end ? bytes[start] : 0;
    // Only objects, arrays and strings may have parts.
    if (first !== 0x7b && first !== 0x5b && first !== 0x22) {
      row.setError(errorKinds.json);
      return true;
    }
    for (let i = 0; i < this.#labels.length; i++) {
      const label = this.#labels[i];
      if (!this.#needed.wants(label)) continue;
      const value = jsonValueAt(bytes, start, end, this.#paths[i], this.#texts);
      if (pathFailure !== '') row.setError(errorKinds.json, pathFailure);
      if (value === '') row.extractMissing(label);
      else row.extractAsked(label, value, this.#needed);
    }
    return true;
  }
}
