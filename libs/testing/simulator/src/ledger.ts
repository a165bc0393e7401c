/** A client's knowledge of an entry that it sent. `pending` until the answer comes. */
export type Outcome = 'pending' | 'acked' | 'unknown' | 'rejected';

/** One log line with everything that identifies it. */
export interface LedgerEntry {
  readonly tenant: string;
  /** Canonical labels text. */
  readonly stream: string;
  readonly timestampNs: bigint;
  readonly line: string;
  /** Canonical text of the structured metadata, '' for none. */
  readonly metadata: string;
}

/** One promise broken, in words for the log. */
export interface Violation {
  readonly kind:
    | 'lost'
    | 'double'
    | 'phantom'
    | 'foreign'
    | 'undead'
    | 'order'
    | 'changed'
    | 'behind'
    | 'bound'
    | 'owners'
    | 'moves'
    | 'requests'
    | 'stuck'
    | 'store'
    | 'threw';
  readonly text: string;
}

/**
 * A request to delete the entries that `matches`; entries that were acknowledged before the request was sent
 * must be gone once it was acknowledged.
 */
interface LedgerDelete {
  readonly matches: (entry: LedgerEntry) => boolean;
  isAcked: boolean;
}

interface Fate {
  readonly entry: LedgerEntry;
  /** Requests that had been sent when the entry was acknowledged. */
  readonly deletes: LedgerDelete[];
  outcome: Outcome;
  /** An earlier attempt may have been stored; a later rejection does not undo that. */
  maybeStored: boolean;
}

/** Violations that one judgement keeps: the first ones are enough to understand a run. */
const violationsMax = 20;

/**
 * The promises to clients, recorded outside of the system, and the comparison of answers with them.
 * Acknowledged: returned exactly once. Unknown or pending: never twice. Rejected: absent. Any other line: a
 * phantom.
 */
export class Ledger {
  readonly #fates = new Map<string, Fate>();
  readonly #deletes: LedgerDelete[] = [];
  /** Lines are unique to their tenant in a simulation, so a line in another tenant's answer is recognised. */
  readonly #ownerOfLine = new Map<string, string>();

  /** An attempt to push these entries begins. */
  recordAttempt(entries: readonly LedgerEntry[]): void {
    for (const entry of entries) {
      const key = keyOf(entry);
      const fate = this.#fates.get(key);
      if (!fate) this.#fates.set(key, { entry, deletes: [], outcome: 'pending', maybeStored: false });
      // An entry that is sent again after a delete counts as new for the delete.
      else fate.deletes.length = 0;
      this.#ownerOfLine.set(entry.line, entry.tenant);
    }
  }

  /** The attempt ended. An acked entry stays acked regardless of later attempts. */
  answered(entries: readonly LedgerEntry[], outcome: 'acked' | 'unknown' | 'rejected'): void {
    for (const entry of entries) {
      const fate = this.#fates.get(keyOf(entry));
      if (!fate) throw new Error('answered before it was sent');
      if (outcome === 'unknown') fate.maybeStored = true;
      if (fate.outcome === 'acked') continue;
      fate.outcome = outcome === 'rejected' && fate.maybeStored ? 'unknown' : outcome;
    }
  }

  /** A delete request is on its way: from now on the entries that it matches may be missing. */
  deleteSent(matches: (entry: LedgerEntry) => boolean): LedgerDelete {
    const request: LedgerDelete = { matches, isAcked: false };
    this.#deletes.push(request);
    for (const fate of this.#fates.values()) {
      // The record of an attempt without an answer may reach the log after the delete.
      if (fate.outcome === 'acked' && !fate.maybeStored && matches(fate.entry)) fate.deletes.push(request);
    }
    return request;
  }

  /**
   * Entries acknowledged so far: a query that starts now must return them, except those that a delete request
   * matches.
   */
  acked(tenant: string): LedgerEntry[] {
    return [...this.#fates.values()]
      .filter((fate) => fate.outcome === 'acked' && fate.entry.tenant === tenant)
      .map((fate) => fate.entry)
      .filter((entry) => !this.#deletes.some(({ matches }) => matches(entry)));
  }

  /**
   * Entries that were stored before a request to delete them was acknowledged: no query may return them any
   * more.
   */
  deleted(tenant: string): LedgerEntry[] {
    return [...this.#fates.values()]
      .filter(({ entry, deletes }) => entry.tenant === tenant && deletes.some(({ isAcked }) => isAcked))
      .map(({ entry }) => entry);
  }

  /** Number of entries of each outcome. */
  counts(): Record<Outcome, number> {
    const counts = { pending: 0, acked: 0, unknown: 0, rejected: 0 };
    for (const fate of this.#fates.values()) counts[fate.outcome]++;
    return counts;
  }

  /**
   * Compares a tenant's answer with the ledger.
   *
   * @param read the answer to a query for everything of the tenant
   * @param must entries that were acknowledged before the query began
   * @param mustNot entries whose delete was acknowledged before the query began
   */
  judge(
    tenant: string,
    read: readonly LedgerEntry[],
    must: readonly LedgerEntry[],
    mustNot: readonly LedgerEntry[] = [],
  ): Violation[] {
    const violations: Violation[] = [];
    const add = (kind: Violation['kind'], entry: LedgerEntry) => {
      if (violations.length < violationsMax) violations.push({ kind, text: `${kind}: ${describe(entry)}` });
    };
    const counts = new Map<string, number>();
    for (const entry of read) {
      const key = keyOf(entry);
      const times = (counts.get(key) ?? 0) + 1;
      counts.set(key, times);
      const owner = this.#ownerOfLine.get(entry.line);
      if (owner !== undefined && owner !== tenant) add('foreign', entry);
      else if (times === 2) add('double', entry);
      else if (times === 1) {
        const fate = this.#fates.get(key);
        if (!fate || fate.outcome === 'rejected') add('phantom', entry);
      }
    }
    // A delete request may have matched it since the query began.
    const mayBeGone = (entry: LedgerEntry) => this.#deletes.some(({ matches }) => matches(entry));
    for (const entry of must) if (!counts.has(keyOf(entry)) && !mayBeGone(entry)) add('lost', entry);
    for (const entry of mustNot) if (counts.has(keyOf(entry))) add('undead', entry);
    return violations;
  }
}

function keyOf(entry: LedgerEntry): string {
  return `${entry.tenant}\n${entry.stream}\n${entry.timestampNs}\n${entry.metadata}\n${entry.line}`;
}

function describe(entry: LedgerEntry): string {
  return `${entry.tenant} ${entry.stream} ${entry.timestampNs} ${entry.metadata} ${JSON.stringify(entry.line)}`;
}
