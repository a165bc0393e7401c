/**
 * Bytes of one metadata pair without its texts: two references into Loki's table of symbols. The statistics
 * of queries count only these.
 */
export const pairBytes = 8;
