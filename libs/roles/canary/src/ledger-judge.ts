/**
 * Reads lines of a ledger back and finds lost, doubled and changed ones: the judge of crash and chaos tests.
 */
import { hourNs } from '@loki/model';
import { ledgerLine, parseLedgerLine } from './ledger-lines.ts';
import { partOf, timeOf } from './ledger.ts';
import type { Ledger, LedgerPart, LedgerStream } from './ledger.ts';
import { entriesOf } from './loki-client.ts';
import type { Entry, LokiClient } from './loki-client.ts';

/** Names of the two labels that distinguish streams; all other labels are the same for all. */
export interface StreamSelector {
  /** `{name="loki-canary",run="…",ledger="7"}` */
  (stream: number): string;
}

/** Counts of lines by finding. */
export interface Findings {
  read: number;
  /** Acknowledged and absent. */
  lost: number;
  /** Returned more than once. */
  doubled: number;
  /** Returned with another timestamp or text than was sent, or never sent. */
  changed: number;
  /** Not in the order of their timestamps. */
  misplaced: number;
  /** Without an acknowledgement, but present: as good as absent. */
  unknownPresent: number;
  /** Refused, but present. */
  rejectedPresent: number;
  /** Streams that could not be read: every attempt failed. */
  unreadable: number;
  /** The first findings of each kind, as text. */
  readonly examples: string[];
}

const examplesMax = 20;
/** Streams read in parallel. */
const readersMax = 4;
/** Unreadable streams after which the judge gives up. */
const unreadableMax = 5;
/** Loki's default limit of entries in one answer. */
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

/** Number of lines with a broken promise. */
export function faultsIn(findings: Findings): number {
  const { lost, doubled, changed, misplaced, rejectedPresent, unreadable } = findings;
  return lost + doubled + changed + misplaced + rejectedPresent + unreadable;
}

interface JudgeDeps {
  readonly ledger: Ledger;
  readonly client: LokiClient;
  readonly selector: StreamSelector;
  /** Attempts at one page before its stream counts as unreadable. */
  readonly attemptsMax: number;
}

/** Adjacent parts of one stream, with their outcomes at the start of the reading. */
interface Expected {
  readonly stream: number;
  readonly parts: readonly LedgerPart[];
  readonly acked: ReadonlySet<LedgerPart>;
}

/**
 * Reads lines back page by page and compares them with the ledger. A line acknowledged before the reading
 * must be present once; a line that is pending, or was sent later, may be.
 */
export class LedgerJudge {
  readonly #deps: JudgeDeps;

  constructor(deps: JudgeDeps) {
    this.#deps = deps;
  }

  /**
   * Judges all streams from the given line on.
   *
   * @param from the first line to judge, by stream; absent streams are read from their beginning
   */
  async judgeAll(from: ReadonlyMap<number, number> = new Map()): Promise<Findings> {
    const findings = noFindings();
    const streams = [...this.#deps.ledger.streams].flatMap(([id, stream]) => {
      const parts = stream.parts.filter((part) => part.from + part.count > (from.get(id) ?? 0));
      return neighbours(parts).map((each) => ({ id, parts: each }));
    });
    const readers = Array.from({ length: readersMax }, async () => {
      for (let next = streams.shift(); next; next = streams.shift()) {
        // If the server answers nothing, the remaining streams are not queried.
        if (findings.unreadable >= unreadableMax) findings.unreadable += 1;
        else await this.judge(next.id, next.parts, findings);
      }
    });
    await Promise.all(readers);
    return findings;
  }

  /** Judges some parts of one stream, in order. */
  async judge(id: number, parts: readonly LedgerPart[], findings: Findings): Promise<void> {
    if (parts.length === 0) return;
    const acked = new Set(parts.filter(({ push }) => push.outcome === 'acked'));
    const last = parts[parts.length - 1];
    const entries = await this.#read(id, parts[0].firstNs, timeOf(last, last.from + last.count), findings);
    if (entries) compare({ stream: id, parts, acked }, entries, this.#deps.ledger, findings);
  }

  /** Every entry of a stream in [startNs, endNs), page after page. Undefined: every attempt failed. */
  async #read(id: number, startNs: bigint, endNs: bigint, findings: Findings): Promise<Entry[] | undefined> {
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
        findings.unreadable += 1;
        example(
          findings,
          `unreadable: stream ${id} from ${from}: ${answer.status} ${answer.text.slice(0, 300)}`,
        );
        return undefined;
      }
      const page = entriesOf(answer.text);
      entries.push(...page);
      if (page.length < pageEntries) return entries;
      // No two lines of a stream share a timestamp, so the next page starts after the last entry.
      from = page[page.length - 1].ns + 1n;
    }
  }
}

/** Groups parts without long pauses between them: refused lines lie far from the others. */
function neighbours(parts: readonly LedgerPart[]): LedgerPart[][] {
  const runs: LedgerPart[][] = [];
  for (const part of parts) {
    const last = runs.at(-1)?.at(-1);
    if (last && part.firstNs - last.firstNs < hourNs) runs.at(-1)!.push(part);
    else runs.push([part]);
  }
  return runs;
}

/** Compares the entries of one stream with the expected ones. */
export function compare(
  { stream: id, parts, acked }: Expected,
  entries: readonly Entry[],
  ledger: Ledger,
  findings: Findings,
): void {
  const stream = ledger.streams.get(id)!;
  const copies = new Map<LedgerPart, Uint8Array>();
  let beforeNs = -1n;
  for (const entry of entries) {
    findings.read += 1;
    if (entry.ns < beforeNs) {
      findings.misplaced += 1;
      example(findings, `misplaced: stream ${id}: ${entry.ns} after ${beforeNs}`);
    }
    beforeNs = entry.ns;
    const part = partOfEntry(entry, id, stream, ledger);
    if (!part) {
      findings.changed += 1;
      example(findings, `changed: stream ${id}: ${entry.ns} ${entry.line.slice(0, 80)}`);
      continue;
    }
    let counts = copies.get(part.part);
    if (!counts) copies.set(part.part, (counts = new Uint8Array(part.part.count)));
    const times = ++counts[part.n - part.part.from];
    if (times === 2) {
      findings.doubled += 1;
      example(findings, `doubled: stream ${id} line ${part.n} at ${entry.ns} (${part.part.push.outcome})`);
    } else if (times === 1) countUnacked(part.part, part.n, findings);
  }
  for (const part of parts) {
    if (!acked.has(part)) continue;
    const counts = copies.get(part);
    const missing = counts ? counts.reduce((sum, times) => sum + (times === 0 ? 1 : 0), 0) : part.count;
    if (missing === 0) continue;
    findings.lost += missing;
    const first = counts ? counts.indexOf(0) : 0;
    const line = part.from + first;
    example(
      findings,
      `lost: stream ${id} line ${line} at ${timeOf(part, line)} and ${missing - 1} more of its push`,
    );
  }
}

function countUnacked({ push, stream }: LedgerPart, n: number, findings: Findings): void {
  if (push.outcome === 'unknown') findings.unknownPresent += 1;
  if (push.outcome !== 'rejected') return;
  findings.rejectedPresent += 1;
  example(findings, `refused and present: stream ${stream} line ${n}`);
}

/** The part of an entry; undefined: no line was sent like this. */
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

export function example(findings: { readonly examples: string[] }, text: string): void {
  if (findings.examples.length < examplesMax) findings.examples.push(text);
}
