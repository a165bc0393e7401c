/** A query that tails follow: equal tails test a new record once. */
import { isDeepStrictEqual } from 'node:util';
import type { LogLeafRequest } from '@loki/ports';
import type { HeadRecord } from './head/head-record.ts';
import { selectionOfLeaf } from './head/select.ts';
import { StreamFilter } from './stream-filter.ts';

/** A new record with the number of rows that a query may want. */
export interface FollowedRecord {
  readonly record: HeadRecord;
  /** Rows of the selected streams, before line filters: a follower's loss when the record is dropped. */
  readonly rows: number;
}

/** A tail, as its query sees it. */
interface Follower {
  offer(followed: FollowedRecord): void;
}

/** A query, and the tails that follow it. They may begin at different times. */
export class FollowedQuery {
  readonly tenant: string;
  readonly request: LogLeafRequest;
  readonly tails = new Set<Follower>();
  readonly #filter: StreamFilter;

  constructor(request: LogLeafRequest) {
    this.tenant = request.tenant;
    this.request = request;
    this.#filter = new StreamFilter(selectionOfLeaf(request).matchers);
  }

  /** Whether a tail of this request wants the same lines of a record, its start aside. */
  isOf(request: LogLeafRequest): boolean {
    const { startNs } = request;
    return request.expr === this.request.expr && isDeepStrictEqual({ ...this.request, startNs }, request);
  }

  /**
   * The record for the tails of this query; undefined: it has no rows of the tenant.
   *
   * @param queries number of queries that test the record
   */
  followed(record: HeadRecord, queries: number): FollowedRecord | undefined {
    const section = record.segment.section(this.tenant);
    return section && { record, rows: this.#filter.rowsOf(section, queries) };
  }
}

/** Queries of a partition's tails, by their text. */
export class FollowedQueries {
  readonly #byExpr = new Map<string, FollowedQuery[]>();
  #size = 0;

  /** Number of different queries. */
  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): Generator<FollowedQuery> {
    for (const queries of this.#byExpr.values()) yield* queries;
  }

  /** The query of a request: one for all equal tails. */
  of(request: LogLeafRequest): FollowedQuery {
    const queries = this.#byExpr.get(request.expr) ?? [];
    const equal = queries.find((query) => query.isOf(request));
    if (equal) return equal;
    const query = new FollowedQuery(request);
    this.#size++;
    queries.push(query);
    this.#byExpr.set(request.expr, queries);
    return query;
  }

  /** Removes a tail, and its query with the last one. */
  remove(query: FollowedQuery, tail: Follower): void {
    if (!query.tails.delete(tail) || query.tails.size > 0) return;
    const { expr } = query.request;
    const others = this.#byExpr.get(expr)!.filter((each) => each !== query);
    this.#size--;
    if (others.length > 0) this.#byExpr.set(expr, others);
    else this.#byExpr.delete(expr);
  }
}
