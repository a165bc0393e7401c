/** Wrappers between roles and adapters, by which harnesses plant mistakes. */
import type { Catalog } from '@loki/catalog';
import type { Clock, ObjectStore } from '@loki/ports';

/**
 * Wrappers that a harness puts between a process's roles and its adapters. Absent: none. Harnesses use them
 * to plant mistakes and prove that they detect them; so the product needs no switches for mistakes.
 */
export interface Adapters {
  /**
   * The clock of roles; logs, calls between processes and requests to the store keep the machine's clock.
   */
  readonly clock?: (clock: Clock) => Clock;
  readonly objectStore?: (store: ObjectStore) => ObjectStore;
  /** The catalog that queries use. */
  readonly catalog?: (catalog: Catalog) => Catalog;
  /** True if this process flushes a partition. */
  readonly isLeader?: (partition: number) => boolean;
}
