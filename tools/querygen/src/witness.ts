/** A row that a drawn query should return, so that answers are not empty. */
import { parseExpr } from '@loki/logql';
import type { LogExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { StoredRow } from './data.ts';
import { PlainRow, Unsure } from './referee-row.ts';
import { passes } from './referee-stages.ts';

/** A row for which a query is drawn: most draws must leave it in, so that most answers have rows. */
export class Witness {
  readonly stored: StoredRow;

  constructor(stored: StoredRow) {
    this.stored = stored;
  }

  get timestampNs(): bigint {
    return this.stored.row.timestampNs;
  }

  /** The row as a log query returns it; undefined: it does not pass, or its fate is unknown. */
  after(query: string): PlainRow | undefined {
    const { stream, row: stored } = this.stored;
    const row = new PlainRow(stream, stored);
    try {
      return passes(row, parseExpr(query) as LogExpr) ? row : undefined;
    } catch (error) {
      // A refused query returns no row.
      if (error instanceof Unsure || error instanceof LokiError) return undefined;
      throw error;
    }
  }
}
