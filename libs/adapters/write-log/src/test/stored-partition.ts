/** A partition of virtual brokers: its batches, and the producers whose order it keeps. */

/** A broker's fault at the next append. `lost`: the record is stored, but no answer comes. */
export type AppendFault = number | 'lost' | 'other partition' | 'two partitions' | 'no offset' | 'refused';

interface StoredBatch {
  readonly baseOffset: number;
  readonly count: number;
  readonly bytes: Buffer;
}

/** A partition's knowledge of a producer: Kafka's last five batches. */
interface ProducerState {
  next: number;
  readonly batches: { readonly first: number; readonly count: number; readonly baseOffset: number }[];
}

export interface StoredPartition {
  leader: number | undefined;
  readonly producers: Map<bigint, ProducerState>;
  start: number;
  end: number;
  batches: StoredBatch[];
}
