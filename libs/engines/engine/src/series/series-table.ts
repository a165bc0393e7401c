/** Numbers the series of a sample leaf by the labels of its rows. */
import { Labels, LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { errorDetailsLabel, errorLabel } from '../common/error-labels.ts';
import { labelsBytes } from '../common/memory-budget.ts';
import type { MemoryBudget } from '../common/memory-budget.ts';
import { tooManySeries } from '../common/series-labels.ts';
import { sortedByName } from '../common/sorted-pairs.ts';
import type { BaseLabels } from '../pipeline/base-labels.ts';
import type { SamplePlan } from '../pipeline/compile-leaf.ts';
import type { Row } from '../pipeline/row.ts';
import { parsedPairs } from './stream-pairs.ts';

/** Most cached row keys, and most of their characters; every distinct set of parsed values has its own. */
const keysMax = 65_536;
const keyCharsMax = 8 * 2 ** 20;

/**
 * Rows that are still checked for errors after there are too many series: an error of a row is reported
 * first.
 */
const rowsAfterTooMany = 65_536;

/**
 * Numbers the series of a leaf. A row with known labels costs one lookup: by its base labels if the pipeline
 * did not change them, by the values of the grouping, or by the text of all labels.
 */
export class SeriesTable {
  readonly labels: LabelPair[][] = [];
  readonly #plan: SamplePlan;
  readonly #seriesMax: number;
  readonly #memory: MemoryBudget;
  readonly #ofText = new Map<string, number>();
  #ofKey = new Map<string, number>();
  #keyChars = 0;
  readonly #by: readonly string[] | undefined;
  readonly #without: ReadonlySet<string>;
  readonly #mayFail: boolean;
  /** True: there are too many series, and the last one takes all further rows. */
  #isFull = false;
  #rowsLeft = rowsAfterTooMany;

  constructor(plan: SamplePlan, seriesMax: number, memory: MemoryBudget) {
    this.#plan = plan;
    this.#seriesMax = seriesMax;
    this.#memory = memory;
    const { grouping } = plan;
    this.#by = grouping && !grouping.without ? [...new Set(grouping.labels)].sort() : undefined;
    this.#without = new Set(grouping?.without ? grouping.labels : []);
    this.#mayFail = plan.pipeline.stages.length > 0 || plan.unwrap !== undefined;
  }

  /** @throws LokiError badRequest when there are more series than allowed */
  checkFull(): void {
    if (this.#isFull) throw tooManySeries(this.#seriesMax);
  }

  /** The series of rows that still have their base labels. */
  ofBase(base: BaseLabels): number {
    if (base.outcome < 0) {
      const pairs: LabelPair[] = [];
      base.names.forEach((name, i) => pairs.push([name, base.values[i]]));
      base.outcome = this.#intern(this.#group(pairs));
    }
    return base.outcome;
  }

  /** The series of a row. The caller has checked that the row's error does not fail the query. */
  ofRow(row: Row): number {
    if (this.#isFull && --this.#rowsLeft < 0) this.checkFull();
    if (row.isUnchanged) return this.ofBase(row.base);
    const key = this.#by ? this.#groupKey(row, this.#by) : row.labelKey();
    let series = this.#ofKey.get(key);
    if (series === undefined) {
      if (this.#ofKey.size >= keysMax || this.#keyChars + key.length > keyCharsMax) {
        this.#ofKey = new Map();
        this.#keyChars = 0;
      }
      this.#keyChars += key.length;
      series = this.#intern(this.#seriesPairs(row));
      this.#ofKey.set(key, series);
    }
    return series;
  }

  #groupKey(row: Row, by: readonly string[]): string {
    if (by.length === 1) return this.#valueOf(row, by[0]);
    let key = '';
    for (const name of by) key += `${this.#valueOf(row, name)}\u0000`;
    return key;
  }

  #valueOf(row: Row, name: string): string {
    if (name === errorLabel && row.error !== '') return row.error;
    if (name === errorDetailsLabel && row.errorDetails !== '') return row.errorDetails;
    return (this.#plan.groupsDropped ? row.get(name) : row.groupValue(name)) ?? '';
  }

  #seriesPairs(row: Row): LabelPair[] {
    const pairs = this.#by
      ? this.#by.map((name): LabelPair => [name, this.#valueOf(row, name)])
      : this.#group(labelsOfRow(row));
    const filled = this.#plan.keepsEmptyLabels ? pairs : pairs.filter(([, value]) => value !== '');
    const failed = filled.find(([name]) => name === errorLabel);
    // A line may have a field of that name, which a query cannot refer to.
    if (failed && row.error === '') throw pipelineError(failed[1], filled);
    return filled;
  }

  #group(pairs: readonly LabelPair[]): LabelPair[] {
    const groupPairs = this.#by
      ? pairs.filter(([name]) => this.#by!.includes(name))
      : pairs.filter(([name]) => !this.#without.has(name));
    return sortedByName(groupPairs);
  }

  #intern(pairs: LabelPair[]): number {
    const text = JSON.stringify(pairs);
    let series = this.#ofText.get(text);
    if (series === undefined) {
      if (this.#isFull) return this.labels.length - 1;
      this.#memory.charge(labelsBytes(pairs));
      series = this.labels.push(pairs) - 1;
      this.#isFull = this.#seriesMax > 0 && this.labels.length > this.#seriesMax;
      if (!this.#mayFail) this.checkFull();
      this.#ofText.set(text, series);
    }
    return series;
  }
}

/** All labels of a row as one list, with its error labels. */
function labelsOfRow(row: Row): LabelPair[] {
  const pairs = parsedPairs(row);
  row.base.names.forEach((name, i) => {
    if (!row.isHidden(i)) pairs.push([name, row.base.values[i]]);
  });
  return sortedByName(pairs);
}

/** Loki's error of a metric query for a row with an error that the query does not filter. */
export function rowError(row: Row): LokiError {
  return pipelineError(row.error, labelsOfRow(row));
}

function pipelineError(kind: string, pairs: readonly LabelPair[]): LokiError {
  const series = Labels.fromPairs(pairs).toString();
  return new LokiError(
    'badRequest',
    `pipeline error: '${kind}' for series: '${series}'.\n` +
      `Use a label filter to intentionally skip this error. (e.g | __error__!="${kind}").\n` +
      'To skip all potential errors you can match empty errors.(e.g __error__="")\n' +
      'The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__="" )\n',
  );
}
