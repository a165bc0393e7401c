/** News of the catalog between processes: the newest manifests, without a request to the object store. */

/** The newest manifest of each log that all partitions share; 0: none. */
export interface SharedLogNumbers {
  readonly compactions: number;
  readonly deletes: number;
  /** The log of the number of partitions. */
  readonly layout: number;
}

/** The newest manifest of each log of the catalog that a process has read. */
export interface CatalogNumbers {
  readonly partitions: ReadonlyMap<number, number>;
  readonly shared: SharedLogNumbers;
}

/** An ingester's news of a partition. */
export interface PartitionNews {
  readonly partition: number;
  /** The newest manifest that the ingester has read. */
  readonly number: number;
  /** Whether the ingester commits the partition's flushes: then it has each commit from its begin. */
  readonly isLeader: boolean;
  /**
   * Stored bytes of manifests, from the first that the caller lacks. When they end before `number`, the
   * caller reads the others from the store.
   */
  readonly manifests: readonly Uint8Array[];
}

/** An ingester's answer to the numbers of the caller. */
export interface CatalogNews {
  readonly partitions: readonly PartitionNews[];
  /** The newest numbers that any process has reported to the ingester. */
  readonly shared: SharedLogNumbers;
}
