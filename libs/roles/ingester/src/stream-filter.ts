/** Selects the streams of a new record that a follower needs, at a bounded cost: tails. */
import { matchesLabels } from '@loki/logql';
import type { StringMatcher } from '@loki/logql';
import { BoundedMap } from '@loki/model';
import type { Section } from '@loki/segment';

/** Maximum of cached verdicts of a pattern: label values repeat from record to record. */
const verdictsMax = 8_192;
/**
 * Steps of patterns for one record: a millisecond or two. All queries that are followed test each record as
 * it is consumed.
 */
const stepsMax = 1 << 17;
/** Cost of a short value, in characters. */
const valueChars = 16;
/** Cost of a matcher for a stream, before its pattern runs, in steps. */
const matcherSteps = 2;

/**
 * Tests the streams of records. A pattern that is too dear for a record's new label values counts as matching
 * the rest of them, and so do all streams of a record that has too many: the scan, in a worker, is exact.
 */
export class StreamFilter {
  readonly #matchers: readonly StringMatcher[];
  #stepsLeft = 0;

  constructor(matchers: readonly StringMatcher[]) {
    this.#matchers = matchers.map((matcher) => (matcher.size > 0 ? this.#sparing(matcher) : matcher));
  }

  /**
   * Rows of the selected streams of a tenant in a record; more when an exact count is too dear.
   *
   * @param queries number of queries that test the same record
   */
  rowsOf({ streams, rowCount }: Pick<Section, 'streams' | 'rowCount'>, queries: number): number {
    this.#stepsLeft = stepsMax / Math.max(1, queries);
    const streamSteps = matcherSteps * Math.max(1, this.#matchers.length);
    let [rows, rowsBefore] = [0, 0];
    for (let stream = 0; stream < streams.count; stream++) {
      this.#stepsLeft -= streamSteps;
      if (this.#stepsLeft < 0) return rows + rowCount - rowsBefore;
      const entries = streams.entries(stream);
      rowsBefore += entries;
      if (matchesLabels(this.#matchers, streams.labels(stream))) rows += entries;
    }
    return rows;
  }

  #sparing(matcher: StringMatcher): StringMatcher {
    const verdicts = new BoundedMap<string, boolean>(verdictsMax);
    const matches = (text: string) => {
      const verdict = verdicts.get(text);
      if (verdict !== undefined) return verdict;
      const steps = matcher.size * (valueChars + text.length);
      if (this.#stepsLeft < steps) return true;
      this.#stepsLeft -= steps;
      const isAccepted = matcher.matches(text);
      verdicts.set(text, isAccepted);
      return isAccepted;
    };
    return { ...matcher, matches };
  }
}
