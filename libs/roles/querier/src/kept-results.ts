/** The caches of a querier's results, one for each kind of question: step *recall* of a query. */
import type { CachePolicy, Clock, ResultsCache, ResultsKind } from '@loki/ports';
import { CheckedResultsCache } from './checked-results-cache.ts';

/** The caches of a querier's results, by kind of question. */
export interface ResultsCaches {
  /** A kind without a cache is computed each time. */
  readonly byKind: ReadonlyMap<ResultsKind, ResultsCache>;
  /** Raised for a tenant whose kept answers are to be forgotten. */
  readonly generation: (tenant: string) => number;
  readonly clock: Clock;
}

/** Answers that are kept, for one question. */
export interface KeptAnswers {
  readonly results: CheckedResultsCache;
  readonly policy: CachePolicy;
  readonly generation: number;
}

/** Kept results, checked when they are read. */
export class KeptResults {
  readonly #byKind: ReadonlyMap<ResultsKind, CheckedResultsCache>;
  readonly #generation: ResultsCaches['generation'];

  /** @param caches absent: nothing is kept */
  constructor(caches?: ResultsCaches) {
    this.#byKind = new Map(
      [...(caches?.byKind ?? [])].map(([kind, cache]) => [
        kind,
        new CheckedResultsCache(cache, caches!.clock),
      ]),
    );
    this.#generation = caches?.generation ?? (() => 0);
  }

  /** Undefined: answers of this kind are not kept, or not wanted. */
  of(policy: CachePolicy | undefined, tenant: string): KeptAnswers | undefined {
    const results = policy && this.#byKind.get(policy.kind);
    return results && { results, policy, generation: this.#generation(tenant) };
  }
}
