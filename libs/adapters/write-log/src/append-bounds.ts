/** Bounds of appends to the topic: batches in flight, times, connections. */

/** Most batches of a partition in flight: brokers know the last five of a producer when they are repeated. */
export const inFlightMax = 5;
/** A batch of fewer bytes waits for the answer to the one before it, and for more records. */
export const inFlightBytesMin = 64 * 1024;
/**
 * After this time without an acknowledgement a batch is sent alone: a broker that has dropped the producer's
 * state accepts any sequence, also that of the second of two batches. Kafka's bound is a day.
 */
export const provenMs = 10_000;
/** Sequences of Kafka begin again at 0 after the largest 32-bit number. */
export const sequencesMax = 2 ** 31;

/** Connections for appends to each broker: Kafka answers one request of a connection at a time. */
export const lanes = 4;
/** Least time for entries that have already waited for the whole timeout: the log may just have recovered. */
export const attemptMsMin = 1_000;
export const pauseMinMs = 50;
export const pauseMaxMs = 1_000;
