/**
 * Sends tail frames to one client. A slow client holds one message, and receives the number of dropped lines.
 */
import { goJsonString } from '@loki/go';
import { hash64Bytes } from '@loki/model';
import { nextTurn } from '@loki/ports';
import type { LogLeafResult, Timers } from '@loki/ports';
import { categoriesJson, lineText, mergedLabels, pairsJson } from '../answer/encode-result.ts';

/** One open WebSocket, as the tail sees it. */
export interface TailSocket {
  /** Resolves when the frame has left for the network. */
  send(text: string): Promise<void>;
  close(code: number, reason: string): void;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

/**
 * Labels of an entry's stream object. `merged`: all labels of the entry, including parsed labels and
 * structured metadata. `categorized`: the stream's own; other labels follow the line in categories. `own`:
 * only the stream's own.
 */
export type TailLabels = 'merged' | 'categorized' | 'own';

/** Entries in one message. */
const messageEntriesMax = 100;
/** Characters of a message, or one entry: the client may take an hour for it. */
const messageCharsMax = 128 * 1024;
/** Dropped entries named in one message. */
const messageDroppedMax = 10;
/** A client that does not accept a message within this time misses the remaining rows of the frame. */
const stallMs = 1_000;

interface OutgoingOptions {
  /** Entries that ingesters and queriers dropped before these. */
  readonly dropped: number;
  readonly nowNs: bigint;
  readonly labels: TailLabels;
}

/** Rows to be sent. They are dropped when the client is too slow. */
class Outgoing {
  readonly #labels: TailLabels;
  readonly #flags: string;
  readonly #atNs: bigint;
  #rows: LogLeafResult | undefined;
  #row = 0;
  #dropped: number;
  /** JSON of each label set, made when its first row is written. */
  #streams: string[] = [];
  #extras: string[] = [];

  constructor(rows: LogLeafResult, { dropped, nowNs, labels }: OutgoingOptions) {
    this.#rows = rows;
    this.#dropped = dropped;
    this.#labels = labels;
    this.#flags = labels === 'categorized' ? ',"encodingFlags":["categorize-labels"]' : '';
    this.#atNs = rows.timestampNs.length > 0 ? rows.timestampNs[0] : nowNs;
  }

  /** The next message; undefined: no rows remain. */
  next(without: ReadonlySet<string>): string | undefined {
    const entries: string[] = [];
    let chars = 0;
    const rows = this.#rows;
    for (; rows && this.#row < rows.labelSet.length; this.#row++) {
      if (without.size > 0 && without.has(rowKey(rows, this.#row))) continue;
      if (entries.length === messageEntriesMax || chars >= messageCharsMax) return this.#message(entries, '');
      const entry = this.#entry(rows, this.#row);
      chars += entry.length;
      entries.push(entry);
    }
    const droppedText = this.#dropped > 0 ? droppedJson(this.#dropped, this.#atNs) : '';
    this.#dropped = 0;
    this.dropRemaining();
    return entries.length > 0 || droppedText !== '' ? this.#message(entries, droppedText) : undefined;
  }

  /**
   * Drops the remaining rows; the next message reports their number.
   *
   * @returns the number of dropped rows
   */
  dropRemaining(): number {
    const entries = this.#rows ? this.#rows.labelSet.length - this.#row : 0;
    this.#dropped += entries;
    this.#rows = undefined;
    this.#streams = [];
    this.#extras = [];
    return entries;
  }

  /** One stream object for each entry, as Loki sends it. */
  #entry(rows: LogLeafResult, row: number): string {
    const set = rows.labelSet[row];
    const labels = rows.labelSets[set];
    const stream = (this.#streams[set] ??= pairsJson(
      this.#labels === 'merged' ? mergedLabels(labels) : labels.stream,
    ));
    const extra = this.#labels === 'categorized' ? (this.#extras[set] ??= `,${categoriesJson(labels)}`) : '';
    const lines = Buffer.from(rows.lines.buffer, rows.lines.byteOffset, rows.lines.byteLength);
    const line = goJsonString(lineText(lines, rows.lineEnds, row));
    return `{"stream":${stream},"values":[["${rows.timestampNs[row]}",${line}${extra}]]}`;
  }

  #message(entries: readonly string[], droppedText: string): string {
    return `{"streams":[${entries.join(',')}]${droppedText}${this.#flags}}`;
  }
}

export class TailSender {
  /** Identities of the history's entries: live entries may repeat them. */
  readonly historyKeys = new Set<string>();
  readonly #socket: TailSocket;
  readonly #timers: Timers;
  readonly #onDropped: (entries: number) => void;

  /** @param onDropped told of entries that the client misses, here or before */
  constructor(socket: TailSocket, timers: Timers, onDropped: (entries: number) => void) {
    this.#socket = socket;
    this.#timers = timers;
    this.#onDropped = onDropped;
  }

  sendHistory(rows: LogLeafResult, options: OutgoingOptions): Promise<void> {
    return this.#send(new Outgoing(rows, options), new Set());
  }

  send(rows: LogLeafResult, options: OutgoingOptions): Promise<void> {
    if (options.dropped > 0) this.#onDropped(options.dropped);
    return this.#send(new Outgoing(rows, options), this.historyKeys);
  }

  /**
   * Sends message by message, one tail in each turn of the event loop: the system takes megabytes at once,
   * and frames of many tails come at the same moment.
   */
  async #send(outgoing: Outgoing, without: ReadonlySet<string>): Promise<void> {
    for (;;) {
      await nextTurn(this.#timers, { rank: 'tail' });
      const text = outgoing.next(without);
      if (text === undefined) return;
      const sending = this.#socket.send(text);
      if (!(await this.#isInTime(sending))) {
        const entries = outgoing.dropRemaining();
        if (entries > 0) this.#onDropped(entries);
      }
      await sending;
    }
  }

  async #isInTime(sending: Promise<void>): Promise<boolean> {
    const { promise: timeout, resolve } = Promise.withResolvers<boolean>();
    const timer = this.#timers.after(stallMs, () => resolve(false));
    try {
      return await Promise.race([sending.then(() => true), timeout]);
    } finally {
      timer.cancel();
    }
  }
}

/** Dropped entries by number and time; the entries themselves are no longer in memory. */
function droppedJson(count: number, atNs: bigint): string {
  const entry = `{"timestamp":"${atNs}","labels":{}}`;
  return `,"dropped_entries":[${Array<string>(Math.min(count, messageDroppedMax)).fill(entry).join(',')}]`;
}

/**
 * The identity of an entry: a hash of its stream, time and line. Short, because identities of the history
 * stay in memory as long as the tail.
 */
export function rowKey(rows: LogLeafResult, row: number): string {
  const from = row === 0 ? 0 : rows.lineEnds[row - 1];
  const { hash } = rows.labelSets[rows.labelSet[row]].origin;
  return `${hash} ${rows.timestampNs[row]} ${hash64Bytes(rows.lines.subarray(from, rows.lineEnds[row]))}`;
}
