/** Finds the streams of a section that match a selector: step *select* of a query. */
import type { Matcher, StringMatcher } from '@loki/logql';
import type { StreamShard } from '@loki/ports';
import type { Section } from '@loki/segment';
import { compileCachedMatcher } from '../pipeline/string-match.ts';

/**
 * Streams of a section that have an entry in the time range and labels that match.
 *
 * @param startNs inclusive
 * @param endNs   exclusive
 * @returns indices into the section's stream table, ascending
 */
export function matchingStreams(
  section: Section,
  matchers: readonly Matcher[],
  startNs: bigint,
  endNs: bigint,
): Uint32Array {
  const mask = matchStreams(section, matchers.map(compileCachedMatcher), undefined);
  const { streams } = section;
  const matches: number[] = [];
  for (let i = 0; i < streams.count; i++) {
    if (mask[i] !== 0 && streams.maxNs(i) >= startNs && streams.minNs(i) < endNs) matches.push(i);
  }
  return Uint32Array.from(matches);
}

/**
 * Per stream of the section: 1 when its labels match and its hash is the shard's. A matcher runs once per
 * distinct value.
 */
export function matchStreams(
  section: Section,
  selector: readonly StringMatcher[],
  shard: StreamShard | undefined,
): Uint8Array {
  const { streams, labelIndex } = section;
  const mask = new Uint8Array(streams.count).fill(1);
  for (const { name, matches } of selector) {
    const values = labelIndex.values(name);
    const passes = new Uint8Array(values.length + 1);
    passes[0] = matches('') ? 1 : 0;
    values.forEach((value, i) => (passes[i + 1] = matches(value) ? 1 : 0));
    const codes = labelIndex.codes(name);
    for (let i = 0; i < mask.length; i++) mask[i] &= passes[codes[i]];
  }
  if (shard && shard.of > 1) {
    const of = BigInt(shard.of);
    const index = BigInt(shard.index);
    for (let i = 0; i < mask.length; i++) {
      if (mask[i] !== 0 && streams.labels(i).hash() % of !== index) mask[i] = 0;
    }
  }
  return mask;
}
