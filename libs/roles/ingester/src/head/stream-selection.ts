/** Streams of a tenant that match all matchers, by the head's index of labels. */
import type { StringMatcher } from '@loki/logql';
import type { SlicedWork } from '@loki/ports';
import type { HeadStreams, TenantStreams } from './head-streams.ts';
import type { LabelName } from './label-values.ts';

/**
 * The streams of a tenant that all matchers accept, in no order.
 *
 * A matcher that accepts an empty value accepts streams without its label, so it does not narrow the search.
 * Of the others, one that lists its values gives its streams at once. The remaining matchers are tested on
 * values, not on streams, while a label has fewer values than there are streams to test: the cost follows the
 * matches.
 */
export function selectedStreams(
  streams: HeadStreams,
  tenant: TenantStreams,
  matchers: readonly StringMatcher[],
): number[] {
  const { values, otherMatchers } = narrow(streams, tenant, matchers);
  const tests = otherMatchers.map((matcher) => new ValueTest(streams, tenant, matcher));
  const selected: number[] = [];
  const test = (stream: number) => {
    for (const each of tests) if (!each.accepts(stream)) return;
    selected.push(stream);
  };
  if (!values) for (const stream of streams.ofTenant(tenant)) test(stream);
  else for (const value of values) for (const stream of streams.withValue(value)) test(stream);
  return selected;
}

/** Steps of regular expressions that a selection may take in one turn: a millisecond at worst. */
const stepsAtOnceMax = 1 << 16;
/** Characters of a label value, as most have. */
const valueChars = 32;

/**
 * Runs costly patterns on the label values that a selection tests, in slices: a pattern may take milliseconds
 * for each of thousands of values.
 *
 * @returns the matchers with their verdicts: the selection then tests only values that were added in between
 */
export function* testedMatchers(
  streams: HeadStreams,
  tenant: TenantStreams,
  matchers: readonly StringMatcher[],
): SlicedWork<readonly StringMatcher[]> {
  const plain = matchers.filter(({ size }) => size === 0);
  const tested: StringMatcher[] = [];
  for (const matcher of matchers) {
    const { size, name } = matcher;
    const count = tenant.names.get(name)?.values.size ?? 0;
    if (size * count * valueChars <= stepsAtOnceMax) {
      tested.push(matcher);
      continue;
    }
    const verdicts = new Map<string, boolean>();
    for (const text of textsOf(streams, tenant, name, plain)) {
      verdicts.set(text, matcher.matches(text));
      yield;
    }
    tested.push({ ...matcher, matches: (text) => verdicts.get(text) ?? matcher.matches(text) });
  }
  return tested;
}

/**
 * Values of a label among the streams that the matchers without a pattern accept. A copy, because the head
 * changes during the tests.
 */
function textsOf(
  streams: HeadStreams,
  tenant: TenantStreams,
  label: string,
  plain: readonly StringMatcher[],
): Iterable<string> {
  const name = tenant.names.get(label)!;
  const { values: groups } = narrow(streams, tenant, plain);
  if (!groups) return [...name.values.keys()];
  const values = new Set<number>();
  for (const group of groups) {
    for (const stream of streams.withValue(group)) {
      const value = streams.valueOf(stream, name);
      if (value !== undefined) values.add(value);
    }
  }
  return Array.from(values, (value) => streams.values.text(value));
}

/** Values whose streams are the candidates, and the matchers that these still have to pass. */
interface Narrowed {
  /** Undefined: all streams of the tenant. */
  readonly values: readonly number[] | undefined;
  readonly otherMatchers: readonly StringMatcher[];
}

function narrow(streams: HeadStreams, tenant: TenantStreams, matchers: readonly StringMatcher[]): Narrowed {
  let { count } = tenant;
  let values: readonly number[] | undefined;
  let narrowest: StringMatcher | undefined;
  const narrowing = matchers
    .filter(({ matches }) => !matches(''))
    .map((matcher) => ({ matcher, lookups: lookupsOf(tenant, matcher) }))
    .sort((a, b) => a.lookups - b.lookups);
  for (const { matcher, lookups } of narrowing) {
    if (lookups > count) break;
    const accepted = acceptedValues(tenant, matcher);
    const total = accepted.reduce((sum, value) => sum + streams.values.count(value), 0);
    if (values && total >= count) continue;
    values = accepted;
    narrowest = matcher;
    count = total;
  }
  return { values, otherMatchers: matchers.filter((matcher) => matcher !== narrowest) };
}

/** Number of values to test before a matcher's streams are known. */
function lookupsOf({ names }: TenantStreams, { name, listed }: StringMatcher): number {
  const size = names.get(name)?.values.size ?? 0;
  return listed?.isNegated === false ? Math.min(listed.values.size, size) : size;
}

function acceptedValues({ names }: TenantStreams, { name, listed, matches }: StringMatcher): number[] {
  const values = names.get(name)?.values ?? new Map<string, number>();
  const accepted: number[] = [];
  if (listed?.isNegated === false && listed.values.size <= values.size) {
    for (const text of listed.values) {
      const value = values.get(text);
      if (value !== undefined) accepted.push(value);
    }
    return accepted;
  }
  for (const [text, value] of values) if (matches(text)) accepted.push(value);
  return accepted;
}

/** Whether a matcher accepts a stream: tested once for each value. */
class ValueTest {
  readonly #streams: HeadStreams;
  readonly #matcher: StringMatcher;
  readonly #name: LabelName | undefined;
  readonly #acceptsNone: boolean;
  readonly #verdicts = new Map<number, boolean>();

  constructor(streams: HeadStreams, tenant: TenantStreams, matcher: StringMatcher) {
    this.#streams = streams;
    this.#matcher = matcher;
    this.#name = tenant.names.get(matcher.name);
    this.#acceptsNone = matcher.matches('');
  }

  accepts(stream: number): boolean {
    if (!this.#name) return this.#acceptsNone;
    const value = this.#streams.valueOf(stream, this.#name);
    if (value === undefined) return this.#acceptsNone;
    let isAccepted = this.#verdicts.get(value);
    if (isAccepted === undefined) {
      isAccepted = this.#matcher.matches(this.#streams.values.text(value));
      this.#verdicts.set(value, isAccepted);
    }
    return isAccepted;
  }
}
