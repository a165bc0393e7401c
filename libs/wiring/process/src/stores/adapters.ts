import type { Catalog } from '@loki/catalog';
import type { Clock, ObjectStore } from '@loki/ports';

/**
 * Wrappers that a harness puts between a process's roles and its adapters. Absent: none. For harnesses that
 * must prove that they find mistakes: these are made outside, so that the product holds none to switch on.
 */
export interface Adapters {
  /**
   * The time that roles live in; logs, calls between processes and requests to the store keep the machine's.
   */
  readonly clock?: (clock: Clock) => Clock;
  readonly objectStore?: (store: ObjectStore) => ObjectStore;
  /** The catalog that queries are answered from. */
  readonly catalog?: (catalog: Catalog) => Catalog;
  /** Whether this process flushes a partition. */
  readonly isLeader?: (partition: number) => boolean;
}
