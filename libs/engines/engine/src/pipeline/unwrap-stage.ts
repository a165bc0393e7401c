/** The stage `unwrap`, which turns a label into a sample. */
import type { Unwrap } from '@loki/logql';
import { errorKinds, failsFor } from '../common/error-labels.ts';
import type { CountedErrors } from '../common/error-labels.ts';
import { parseBytesText, parseDurationText, parseFloatOrError } from '../common/value-text.ts';
import { compileLabelFilter } from './label-filter.ts';
import type { RowTest } from './label-filter.ts';
import type { Row } from './row.ts';

/** `| unwrap label`, with the filters after it. */
export class UnwrapStage {
  readonly #label: string;
  readonly #parse: (text: string) => number | string;
  readonly #filters: readonly RowTest[];
  readonly #countedErrors: CountedErrors;
  /** The sample of the row that `run` accepted last. */
  value = 0;

  constructor(unwrap: Unwrap, countedErrors: CountedErrors) {
    this.#label = unwrap.label;
    this.#parse = conversions[unwrap.conversion];
    this.#filters = unwrap.filters.map(compileLabelFilter);
    this.#countedErrors = countedErrors;
  }

  /**
   * False when the row has no such label or a filter drops it. A label that is no number marks the row with
   * an error.
   */
  run(row: Row): boolean {
    const text = row.get(this.#label);
    if (text === undefined || text === '') return false;
    const value = this.#parse(text);
    if (typeof value === 'number') this.value = value;
    else {
      this.value = 0;
      if (row.error === '') row.setError(errorKinds.sampleExtraction, value);
    }
    for (const filter of this.#filters) if (!filter(row)) return false;
    // No series has the label, regardless of the grouping; the text of an error shows it.
    if (!failsFor(row.error, this.#countedErrors)) row.drop(this.#label);
    return true;
  }
}

const conversions: Record<Unwrap['conversion'], (text: string) => number | string> = {
  '': parseFloatOrError,
  bytes: parseBytesText,
  duration: durationSeconds,
  duration_seconds: durationSeconds,
};

function durationSeconds(text: string): number | string {
  const value = parseDurationText(text);
  return typeof value === 'bigint' ? Number(value) / 1e9 : value;
}
