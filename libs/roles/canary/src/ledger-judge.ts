import { hourNs } from '@loki/model';
import { ledgerLine, parseLedgerLine } from './ledger-lines.ts';
import { partOf, timeOf } from './ledger.ts';
import type { Ledger, LedgerPart, LedgerStream } from './ledger.ts';
import { entriesOf } from './loki-client.ts';
import type { Entry, LokiClient } from './loki-client.ts';

/** Names of the two labels that are a stream's own; the rest are the same for all. */
export interface StreamSelector {
  /** `{name="loki-canary",run="…",ledger="7"}` */
  (stream: number): string;
}

/** The findings of a reading, in lines. */
export interface Findings {
  read: number;
  /** Acknowledged, and not there. */
  lost: number;
  /** There more than once. */
  doubled: number;
  /** There with another timestamp or text than was sent, or never sent at all. */
  changed: number;
  /** Not in the order of their timestamps. */
  misplaced: number;
  /** Without an acknowledgement, and there: as good as not there. */
  unknownPresent: number;
  /** Refused, and there. */
  rejectedPresent: number;
  /** Streams whose reading was answered by an error to the end. */
  unreadable: number;
  /** The first of each kind, in words. */
  readonly examples: string[];
}

const examplesMax = 20;
/** Streams read side by side. */
const readersMax = 4;
/** Streams that could not be read; after so many the rest is not tried. */
const unreadableMax = 5;
/** Loki's own limit for one answer, where nobody raised it. */
const pageEntries = 5_000;

export function noFindings(): Findings {
  return {
    read: 0,
    lost: 0,
    doubled: 0,
    changed: 0,
    misplaced: 0,
    unknownPresent: 0,
    rejectedPresent: 0,
    unreadable: 0,
    examples: [],
  };
}

/** Lines of which a promise was broken. */
export function faultsIn(found: Findings): number {
  const { lost, doubled, changed, misplaced, rejectedPresent, unreadable } = found;
  return lost + doubled + changed + misplaced + rejectedPresent + unreadable;
}

interface JudgeDeps {
  readonly ledger: Ledger;
  readonly client: LokiClient;
  readonly selector: StreamSelector;
  /** Attempts at one page before its stream counts as unreadable. */
  readonly attemptsMax: number;
}

/** Parts of one stream that lie next to each other, with what was known of each when the reading began. */
interface Expected {
  readonly stream: number;
  readonly parts: readonly LedgerPart[];
  readonly acked: ReadonlySet<LedgerPart>;
}

/**
 * Reads lines back in pages and compares them with the ledger. A line acknowledged before the reading began
 * must be there once; a line that is pending then, or comes later, may be.
 */
export class LedgerJudge {
  readonly #deps: JudgeDeps;

  constructor(deps: JudgeDeps) {
    this.#deps = deps;
  }

  /**
   * All streams from the given line on.
   *
   * @param from per stream, the first line to look at; those absent are read from their beginning
   */
  async judgeAll(from: ReadonlyMap<number, number> = new Map()): Promise<Findings> {
    const found = noFindings();
    const left = [...this.#deps.ledger.streams].flatMap(([id, stream]) => {
      const parts = stream.parts.filter((part) => part.from + part.count > (from.get(id) ?? 0));
      return neighbours(parts).map((each) => ({ id, parts: each }));
    });
    const readers = Array.from({ length: readersMax }, async () => {
      for (let next = left.shift(); next; next = left.shift()) {
        // A server that answers nothing is not asked for every stream there is.
        if (found.unreadable >= unreadableMax) found.unreadable += 1;
        else await this.judge(next.id, next.parts, found);
      }
    });
    await Promise.all(readers);
    return found;
  }

  /** Some parts of one stream, in order. */
  async judge(id: number, parts: readonly LedgerPart[], found: Findings): Promise<void> {
    if (parts.length === 0) return;
    const acked = new Set(parts.filter(({ push }) => push.outcome === 'acked'));
    const last = parts[parts.length - 1];
    const entries = await this.#read(id, parts[0].firstNs, timeOf(last, last.from + last.count), found);
    if (entries) compare({ stream: id, parts, acked }, entries, this.#deps.ledger, found);
  }

  /** Every entry of a stream in [startNs, endNs), page after page. Undefined: an error, to the end. */
  async #read(id: number, startNs: bigint, endNs: bigint, found: Findings): Promise<Entry[] | undefined> {
    const { client, selector, attemptsMax } = this.#deps;
    const entries: Entry[] = [];
    let from = startNs;
    for (;;) {
      const query = {
        query: selector(id),
        start: String(from),
        end: String(endNs),
        limit: String(pageEntries),
        direction: 'forward',
      };
      const { answer } = await client.withRetry(
        (address) => client.get('/loki/api/v1/query_range', query, { address }),
        attemptsMax,
      );
      if (answer.status !== 200) {
        found.unreadable += 1;
        example(
          found,
          `unreadable: stream ${id} from ${from}: ${answer.status} ${answer.text.slice(0, 300)}`,
        );
        return undefined;
      }
      const page = entriesOf(answer.text);
      entries.push(...page);
      if (page.length < pageEntries) return entries;
      // No two lines of a stream share a timestamp, so the next page starts right after the last entry.
      from = page[page.length - 1].ns + 1n;
    }
  }
}

/** Runs of parts without a long pause between them: refused lines lie far from the others. */
function neighbours(parts: readonly LedgerPart[]): LedgerPart[][] {
  const runs: LedgerPart[][] = [];
  for (const part of parts) {
    const last = runs.at(-1)?.at(-1);
    if (last && part.firstNs - last.firstNs < hourNs) runs.at(-1)!.push(part);
    else runs.push([part]);
  }
  return runs;
}

/** Compares the entries that were read of one stream with those that should be there. */
export function compare(
  { stream: id, parts, acked }: Expected,
  entries: readonly Entry[],
  ledger: Ledger,
  found: Findings,
): void {
  const stream = ledger.streams.get(id)!;
  const seen = new Map<LedgerPart, Uint8Array>();
  let beforeNs = -1n;
  for (const entry of entries) {
    found.read += 1;
    if (entry.ns < beforeNs) {
      found.misplaced += 1;
      example(found, `misplaced: stream ${id}: ${entry.ns} after ${beforeNs}`);
    }
    beforeNs = entry.ns;
    const part = partOfEntry(entry, id, stream, ledger);
    if (!part) {
      found.changed += 1;
      example(found, `changed: stream ${id}: ${entry.ns} ${entry.line.slice(0, 80)}`);
      continue;
    }
    let counts = seen.get(part.part);
    if (!counts) seen.set(part.part, (counts = new Uint8Array(part.part.count)));
    const times = ++counts[part.n - part.part.from];
    if (times === 2) {
      found.doubled += 1;
      example(found, `doubled: stream ${id} line ${part.n} at ${entry.ns} (${part.part.push.outcome})`);
    } else if (times === 1) countUnacked(part.part, part.n, found);
  }
  for (const part of parts) {
    if (!acked.has(part)) continue;
    const counts = seen.get(part);
    const missing = counts ? counts.reduce((sum, times) => sum + (times === 0 ? 1 : 0), 0) : part.count;
    if (missing === 0) continue;
    found.lost += missing;
    const first = counts ? counts.indexOf(0) : 0;
    const line = part.from + first;
    example(
      found,
      `lost: stream ${id} line ${line} at ${timeOf(part, line)} and ${missing - 1} more of its push`,
    );
  }
}

function countUnacked({ push, stream }: LedgerPart, n: number, found: Findings): void {
  if (push.outcome === 'unknown') found.unknownPresent += 1;
  if (push.outcome !== 'rejected') return;
  found.rejectedPresent += 1;
  example(found, `refused and present: stream ${stream} line ${n}`);
}

/** Undefined: not a line that was sent like this. */
function partOfEntry(
  { ns, line }: Entry,
  id: number,
  stream: LedgerStream,
  ledger: Ledger,
): { part: LedgerPart; n: number } | undefined {
  const parsed = parseLedgerLine(line);
  if (!parsed || parsed.run !== ledger.run || parsed.stream !== id) return undefined;
  const part = partOf(stream, parsed.n);
  if (!part || timeOf(part, parsed.n) !== ns || ledgerLine(ledger, id, parsed.n) !== line) return undefined;
  return { part, n: parsed.n };
}

export function example(found: { readonly examples: string[] }, text: string): void {
  if (found.examples.length < examplesMax) found.examples.push(text);
}
