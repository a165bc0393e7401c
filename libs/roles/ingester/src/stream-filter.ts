/** Selects the streams of a new record that a follower needs, at a bounded cost: tails. */
import type { StringMatcher } from '@loki/logql';
import { BoundedMap } from '@loki/model';

/** Maximum of cached verdicts of a pattern: label values repeat from record to record. */
const verdictsMax = 8_192;
/**
 * Steps of patterns for one record: a millisecond or two. All followers test each record as it is consumed.
 */
const stepsMax = 1 << 17;
/** Cost of a short value, in characters. */
const valueChars = 16;

/**
 * Tests the streams of records. When the steps for a record are used up, a pattern counts as matching the
 * record's remaining label values: the scan, in a worker, is exact.
 */
export class StreamFilter {
  readonly #matchers: readonly StringMatcher[];
  #stepsLeft = 0;

  constructor(matchers: readonly StringMatcher[]) {
    this.#matchers = matchers.map((matcher) => (matcher.size > 0 ? this.#sparing(matcher) : matcher));
  }

  /**
   * The matchers, for the streams of one record.
   *
   * @param followers of the partition, which test the same record
   */
  forRecord(followers: number): readonly StringMatcher[] {
    this.#stepsLeft = stepsMax / Math.max(1, followers);
    return this.#matchers;
  }

  #sparing(matcher: StringMatcher): StringMatcher {
    const verdicts = new BoundedMap<string, boolean>(verdictsMax);
    const matches = (text: string) => {
      const verdict = verdicts.get(text);
      if (verdict !== undefined) return verdict;
      this.#stepsLeft -= matcher.size * (valueChars + text.length);
      if (this.#stepsLeft < 0) return true;
      const isAccepted = matcher.matches(text);
      verdicts.set(text, isAccepted);
      return isAccepted;
    };
    return { ...matcher, matches };
  }
}
