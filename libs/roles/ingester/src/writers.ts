/** The last sequence number of each writer, to drop repeated records: step *consume* of a written line. */
import type { WriterTable } from '@loki/catalog';

/**
 * The last sequence number of each writer. A record whose number is not above it is a repeat: the log may
 * deliver a record twice (a producer's retry whose first attempt was stored after all), and the head takes it
 * once. A writer appends to a partition one record at a time, so its numbers rise in the log's order.
 *
 * A manifest must hold the table as of its end offset, not as of the time when it is written: a record above
 * that offset is read again after a restart, and a later table would drop it, the only copy. So changes since
 * the committed offset are kept as a trail, from which the table for any offset between is made.
 */
export class Writers {
  readonly #writersMax: number;
  #committed: WriterTable;
  #trail: { offset: number; writerId: string; sequence: number }[] = [];
  #current: Map<string, number>;

  /** @param committed the table at the offset where consumption begins */
  constructor(writersMax: number, committed: WriterTable = []) {
    this.#writersMax = writersMax;
    this.#committed = committed;
    this.#current = new Map(committed);
  }

  isRepeat(writerId: string, sequence: number): boolean {
    return sequence <= (this.#current.get(writerId) ?? 0);
  }

  saw(offset: number, writerId: string, sequence: number): void {
    this.#trail.push({ offset, writerId, sequence });
    this.#apply(this.#current, writerId, sequence);
  }

  /** The table after the records below `offset`. */
  tableAt(offset: number): WriterTable {
    const table = new Map(this.#committed);
    for (const change of this.#trail) {
      if (change.offset >= offset) break;
      this.#apply(table, change.writerId, change.sequence);
    }
    return [...table];
  }

  /** Records below `offset` are committed, with `table`. */
  committed(offset: number, table: WriterTable): void {
    this.#committed = table;
    this.#trail = this.#trail.filter((change) => change.offset >= offset);
    this.#current = new Map(table);
    for (const change of this.#trail) this.#apply(this.#current, change.writerId, change.sequence);
  }

  /** Whether a manifest that ends at `offset` with `table` holds every record that was read below it. */
  isKnownTo(offset: number, table: WriterTable): boolean {
    const sequences = new Map(table);
    return this.#trail.every(
      (change) => change.offset >= offset || change.sequence <= (sequences.get(change.writerId) ?? 0),
    );
  }

  #apply(table: Map<string, number>, writerId: string, sequence: number): void {
    const before = table.get(writerId) ?? 0;
    table.delete(writerId);
    table.set(writerId, Math.max(before, sequence));
    if (table.size > this.#writersMax) table.delete(table.keys().next().value!);
  }
}
