/**
 * Bytes of one pair beside its texts: two references into a table of symbols. A query's statistics count no
 * more than that.
 */
export const pairBytes = 8;
