import { matchesLabels } from '@loki/logql';
import type { StringMatcher } from '@loki/logql';
import type { Labels } from '@loki/model';

/**
 * Streams from which on a tenant's labels are indexed: fewer are looked through in less time than an index
 * takes to keep, and many tenants have few.
 */
const indexedStreamsMin = 64;

interface LabelledStream {
  readonly labels: Labels;
  readonly text: string;
}

/** The streams that have one value of one label: most values of a label like `pod` have a single one. */
type Posting<Stream> = Stream | Set<Stream>;
type PostingsByValue<Stream> = Map<string, Posting<Stream>>;

/** Streams of one tenant, by their text and by their labels. */
export class StreamIndex<Stream extends LabelledStream> {
  readonly #byText = new Map<string, Stream>();
  /** Name, value, streams. Undefined: the tenant had few streams up to now. */
  #byLabel: Map<string, PostingsByValue<Stream>> | undefined;

  get size(): number {
    return this.#byText.size;
  }

  get(text: string): Stream | undefined {
    return this.#byText.get(text);
  }

  /** In order of arrival. Streams may be deleted on the way. */
  streams(): Iterable<Stream> {
    return this.#byText.values();
  }

  /** @param stream whose text the tenant does not have */
  add(stream: Stream): void {
    this.#byText.set(stream.text, stream);
    if (this.#byLabel) this.#index(this.#byLabel, stream);
    else if (this.#byText.size >= indexedStreamsMin) {
      this.#byLabel = new Map();
      for (const each of this.#byText.values()) this.#index(this.#byLabel, each);
    }
  }

  delete(stream: Stream): void {
    this.#byText.delete(stream.text);
    if (!this.#byLabel) return;
    for (const [name, value] of stream.labels) {
      const values = this.#byLabel.get(name)!;
      const posting = values.get(value)!;
      if (posting instanceof Set && posting.size > 1) posting.delete(stream);
      else if (values.size > 1) values.delete(value);
      else this.#byLabel.delete(name);
    }
  }

  /**
   * The streams that all matchers accept, in no order.
   *
   * A matcher that accepts an empty value accepts streams without its label, so it narrows nothing. Of the
   * others, one that lists its values names its streams at once, and the rest are asked about values, not
   * about streams, while a label has fewer values than there are streams to test: the cost follows the
   * matches.
   */
  select(matchers: readonly StringMatcher[]): Stream[] {
    const selected: Stream[] = [];
    for (const stream of this.#candidates(matchers)) {
      if (matchesLabels(matchers, stream.labels)) selected.push(stream);
    }
    return selected;
  }

  /** Streams among which are all that the matchers accept. */
  #candidates(matchers: readonly StringMatcher[]): Iterable<Stream> {
    const byLabel = this.#byLabel;
    if (!byLabel) return this.streams();
    let candidates: readonly Posting<Stream>[] | undefined;
    let count = this.size;
    const narrowing = matchers
      .filter(({ matches }) => !matches(''))
      .map((matcher) => ({
        matcher,
        values: byLabel.get(matcher.name) ?? new Map<string, Posting<Stream>>(),
      }))
      .sort((a, b) => lookups(a) - lookups(b));
    for (const each of narrowing) {
      if (lookups(each) > count) break;
      const postings = postingsOf(each);
      const total = postings.reduce((sum, posting) => sum + sizeOf(posting), 0);
      if (candidates && total >= count) continue;
      candidates = postings;
      count = total;
    }
    return candidates ? streamsIn(candidates) : this.streams();
  }

  #index(byLabel: Map<string, PostingsByValue<Stream>>, stream: Stream): void {
    for (const [name, value] of stream.labels) {
      let values = byLabel.get(name);
      if (!values) byLabel.set(name, (values = new Map<string, Posting<Stream>>()));
      const posting = values.get(value);
      if (posting === undefined) values.set(value, stream);
      else if (posting instanceof Set) posting.add(stream);
      else values.set(value, new Set([posting, stream]));
    }
  }
}

/** A matcher with the values that its label has. */
interface Narrowing<Stream> {
  readonly matcher: StringMatcher;
  readonly values: ReadonlyMap<string, Posting<Stream>>;
}

/** Values to look at before it is known which streams a matcher accepts. */
function lookups<Stream>({ matcher: { listed }, values }: Narrowing<Stream>): number {
  return listed?.isNegated === false ? Math.min(listed.values.size, values.size) : values.size;
}

function postingsOf<Stream>({ matcher, values }: Narrowing<Stream>): Posting<Stream>[] {
  const { listed, matches } = matcher;
  const postings: Posting<Stream>[] = [];
  if (listed?.isNegated === false && listed.values.size <= values.size) {
    for (const value of listed.values) {
      const posting = values.get(value);
      if (posting !== undefined) postings.push(posting);
    }
    return postings;
  }
  for (const [value, posting] of values) if (matches(value)) postings.push(posting);
  return postings;
}

function sizeOf(posting: Posting<unknown>): number {
  return posting instanceof Set ? posting.size : 1;
}

function* streamsIn<Stream>(postings: readonly Posting<Stream>[]): Iterable<Stream> {
  for (const posting of postings) {
    if (posting instanceof Set) yield* posting as Set<Stream>;
    else yield posting as Stream;
  }
}
