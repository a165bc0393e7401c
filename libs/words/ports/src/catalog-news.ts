/** News of the catalog between processes: which manifests there are, without asking the object store. */

/** The newest manifest of each log that all partitions share; 0: none. */
export interface SharedLogNumbers {
  readonly compactions: number;
  readonly deletes: number;
  /** Of the number of partitions. */
  readonly layout: number;
}

/** The newest manifest that a process knows of each log of the catalog. */
export interface CatalogNumbers {
  readonly partitions: ReadonlyMap<number, number>;
  readonly shared: SharedLogNumbers;
}

/** An ingester's news of a partition. */
export interface PartitionNews {
  readonly partition: number;
  /** The newest manifest that the ingester knows. */
  readonly number: number;
  /** Whether the ingester commits the partition's flushes: then it knows of each when it is made. */
  readonly isLeader: boolean;
  /**
   * Manifests as they are stored, from the first that the caller does not know; fewer than `number` says, or
   * none: the caller reads the store.
   */
  readonly manifests: readonly Uint8Array[];
}

/** An ingester's answer to the numbers that the caller knows. */
export interface CatalogNews {
  readonly partitions: readonly PartitionNews[];
  /** The newest numbers that anybody told the ingester. */
  readonly shared: SharedLogNumbers;
}
