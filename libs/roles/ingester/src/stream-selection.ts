/** Streams of a tenant that match all matchers, by the head's index of labels. */
import type { StringMatcher } from '@loki/logql';
import type { HeadStreams, TenantStreams } from './head-streams.ts';

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
  readonly #name: object | undefined;
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
    const count = this.#streams.labelCount(stream);
    for (let place = 0; place < count; place++) {
      const value = this.#streams.valueAt(stream, place);
      if (this.#streams.values.name(value) !== this.#name) continue;
      let isAccepted = this.#verdicts.get(value);
      if (isAccepted === undefined) {
        isAccepted = this.#matcher.matches(this.#streams.values.text(value));
        this.#verdicts.set(value, isAccepted);
      }
      return isAccepted;
    }
    return this.#acceptsNone;
  }
}
