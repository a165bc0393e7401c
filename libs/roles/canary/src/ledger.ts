/** The ledger: which lines were sent and how each push ended, in a journal on disk. */
import type { Disk, DiskFile } from '@loki/ports';
import { lineStepNs } from './ledger-lines.ts';

/**
 * Outcome of a push and all its lines. `pending`: no answer yet. `unknown`: none of its attempts was
 * acknowledged, and some may have succeeded. `rejected`: every attempt was refused.
 */
export type Outcome = 'pending' | 'acked' | 'unknown' | 'rejected';

/** Lines `from` … `from + count - 1` of one stream, sent in one push, `lineStepNs` apart. */
export interface LedgerPart {
  readonly push: LedgerPush;
  readonly stream: number;
  readonly from: number;
  readonly count: number;
  readonly firstNs: bigint;
}

export interface LedgerPush {
  readonly id: number;
  readonly parts: readonly LedgerPart[];
  outcome: Outcome;
}

export interface NewPart {
  readonly stream: number;
  readonly count: number;
  /** Earliest time of the part; it also follows the stream's last line. Absent: now. */
  readonly firstNs?: bigint;
}

/** One stream of the ledger: its parts in the order of their lines and timestamps. */
export interface LedgerStream {
  readonly parts: LedgerPart[];
  nextLine: number;
  nextNs: bigint;
}

interface JournalHead {
  readonly run: string;
  readonly lineBytes: number;
}

/** Bytes of a journal in one read. */
const readBytes = 1 << 20;

/**
 * Numbers lines and records their outcome in a journal: one JSON text per line. The intent is synced before
 * sending, the outcome is written afterwards. A ledger that was interrupted opens with its recorded state;
 * pushes without an outcome then count as unknown.
 */
export class Ledger {
  readonly run: string;
  readonly lineBytes: number;
  readonly streams = new Map<number, LedgerStream>();
  readonly #file: DiskFile;
  readonly #pushes: LedgerPush[] = [];
  #synced: Promise<void> = Promise.resolve();
  #nextSync: Promise<void> | undefined;

  private constructor(file: DiskFile, head: JournalHead) {
    this.#file = file;
    this.run = head.run;
    this.lineBytes = head.lineBytes;
  }

  /** @param head of a new journal; an existing journal has its own */
  static async open(disk: Disk, path: string, head: JournalHead): Promise<Ledger> {
    const file = await disk.open(path, { create: true });
    const lines = await readLines(file);
    if (lines.length === 0) {
      await file.append(Buffer.from(`${JSON.stringify(head)}\n`));
      await file.sync();
      return new Ledger(file, head);
    }
    const ledger = new Ledger(file, JSON.parse(lines[0]) as JournalHead);
    for (const line of lines.slice(1)) ledger.#replay(line);
    for (const push of ledger.#pushes) if (push.outcome === 'pending') push.outcome = 'unknown';
    return ledger;
  }

  /** Assigns numbers and timestamps to the lines of a push; resolves when the journal has them. */
  async begin(parts: readonly NewPart[], nowNs: bigint): Promise<LedgerPush> {
    const push = this.#add(
      parts.map(({ stream, count, firstNs }) => {
        const { nextLine, nextNs } = this.#stream(stream);
        const requestedNs = firstNs ?? nowNs;
        return { stream, from: nextLine, count, firstNs: requestedNs > nextNs ? requestedNs : nextNs };
      }),
    );
    const journal = push.parts.map((part) => [part.stream, part.from, part.count, String(part.firstNs)]);
    await this.#append({ push: push.id, parts: journal });
    await this.#sync();
    return push;
  }

  /** Records the final outcome. It reaches the journal with the next push, or on `close`. */
  async settle(push: LedgerPush, outcome: Exclude<Outcome, 'pending'>): Promise<void> {
    push.outcome = outcome;
    await this.#append({ push: push.id, outcome });
  }

  /** Lines by outcome. */
  counts(): Record<Outcome, number> {
    const counts = { pending: 0, acked: 0, unknown: 0, rejected: 0 };
    for (const { outcome, parts } of this.#pushes) {
      counts[outcome] += parts.reduce((sum, part) => sum + part.count, 0);
    }
    return counts;
  }

  async close(): Promise<void> {
    await this.#sync();
    await this.#file.close();
  }

  #add(parts: readonly Omit<LedgerPart, 'push'>[]): LedgerPush {
    const newParts: LedgerPart[] = [];
    const push: LedgerPush = { id: this.#pushes.length, parts: newParts, outcome: 'pending' };
    this.#pushes.push(push);
    for (const part of parts) {
      const stream = this.#stream(part.stream);
      const full = { ...part, push };
      newParts.push(full);
      stream.parts.push(full);
      stream.nextLine = part.from + part.count;
      stream.nextNs = part.firstNs + BigInt(part.count) * lineStepNs;
    }
    return push;
  }

  #stream(id: number): LedgerStream {
    let stream = this.streams.get(id);
    if (!stream) this.streams.set(id, (stream = { parts: [], nextLine: 0, nextNs: 0n }));
    return stream;
  }

  #append(entry: object): Promise<void> {
    return this.#file.append(Buffer.from(`${JSON.stringify(entry)}\n`));
  }

  /** Pushes that begin during a sync share the next one. */
  #sync(): Promise<void> {
    this.#nextSync ??= this.#synced.then(() => {
      this.#nextSync = undefined;
      this.#synced = this.#file.sync();
      return this.#synced;
    });
    return this.#nextSync;
  }

  #replay(line: string): void {
    const entry = JSON.parse(line) as {
      push: number;
      parts?: [number, number, number, string][];
      outcome?: Outcome;
    };
    if (entry.parts) {
      this.#add(
        entry.parts.map(([stream, from, count, firstNs]) => ({
          stream,
          from,
          count,
          firstNs: BigInt(firstNs),
        })),
      );
    } else if (entry.outcome) {
      this.#pushes[entry.push].outcome = entry.outcome;
    }
  }
}

/** Reads whole lines, and truncates the file after them: a half-written line was never sent. */
async function readLines(file: DiskFile): Promise<string[]> {
  const size = await file.size();
  const chunks: Buffer[] = [];
  for (let offset = 0; offset < size; offset += readBytes) {
    chunks.push(await file.read(offset, Math.min(readBytes, size - offset)));
  }
  const bytes = Buffer.concat(chunks);
  const end = bytes.lastIndexOf(10) + 1;
  if (end < size) await file.truncate(end);
  return bytes
    .subarray(0, end)
    .toString()
    .split('\n')
    .filter((line) => line !== '');
}

/** The part of a stream with line `n`; undefined: no such line was sent. */
export function partOf(stream: LedgerStream, n: number): LedgerPart | undefined {
  let low = 0;
  let high = stream.parts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (stream.parts[middle].from <= n) low = middle;
    else high = middle - 1;
  }
  const part = stream.parts[low];
  return part && part.from <= n && n < part.from + part.count ? part : undefined;
}

/** Timestamp of line `n` of a part. */
export function timeOf(part: LedgerPart, n: number): bigint {
  return part.firstNs + BigInt(n - part.from) * lineStepNs;
}
