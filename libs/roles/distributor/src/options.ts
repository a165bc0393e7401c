/** Options of a distributor and their defaults. */
import { mib } from '@loki/model';

/** The distributor's own bounds; tenants' limits come from the LimitsSource. */
export interface DistributorOptions {
  /** Bytes of a push as received. Default 100 MiB, as Loki's `max_recv_msg_size`. */
  readonly recvBytesMax: number;
  /**
   * Bytes of a push after decompression. Default 256 MiB: a push is in memory as a whole while it is decoded.
   */
  readonly decompressedBytesMax: number;
  /**
   * A push with more bytes, received or decompressed, is decoded in another thread. Default 2 MiB: some 10
   * ms, and twice the batch of common agents, as the other thread costs a copy (17.5 CPU s/GB here, 25
   * there). For OTLP, whose decoding costs several times as much, 512 KiB.
   */
  readonly inlineBytesMax: number;
  readonly inlineOtlpBytesMax: number;
  /**
   * Bytes of pushes in progress, received and decoded, until they are acknowledged; further pushes are
   * answered 503, the sooner the more their tenant has in progress. 0: no bound. Default 512 MiB.
   */
  readonly inflightBytesMax: number;
  /**
   * The longest wait of a push for its decoding; then it is answered 503. Default 3 s: a third of the time
   * that common agents wait for an answer.
   */
  readonly waitMsMax: number;
  /**
   * The longest wait of a batch for pushes of clients that have just pushed. Default 5 ms: about the duration
   * of an fsync.
   */
  readonly lingerMs: number;
  /** Raw bytes at which a batch is sealed. Default 4 MiB: one block of a record. */
  readonly batchBytesMax: number;
  /** Memory for the meaning of label texts. Default 64 MiB: some 180,000 usual ones. */
  readonly streamsCachedBytesMax: number;
  /** A stream without entries for this long no longer counts as active. Default 30 min. */
  readonly streamIdleMs: number;
  /** Entries may lie half of it behind their stream's newest. Default 2 h. */
  readonly chunkAgeMaxMs: number;
  /** Rows named in the error of a stream whose rows were partly refused. Default 10. */
  readonly refusedNamedMax: number;
  /** OTLP resource attributes that become labels unless the tenant says otherwise. Default: Loki's list. */
  readonly otlpIndexAttributes: readonly string[];
  /** Retention is on: entries past the time of their stream are refused. Default false. */
  readonly removesExpired: boolean;
}

/** Loki's default of `distributor.max_decompressed_size`: more than any process could hold. */
const unboundedBytes = 5000 * mib;
const decompressedBytesDefault = 256 * mib;
const decompressedBytesMost = 1024 * mib;

/**
 * The bound on a decompressed push. Loki's default stands for "no bound of note", which here is 256 MiB, or
 * less where the process has little memory; another configured value holds, up to 1 GiB. A push is in memory
 * as a whole while it is decoded, and one bomb must not end a process.
 */
export function decompressedBytesMaxOf(configured: number, defaultBytes = decompressedBytesDefault): number {
  if (configured === unboundedBytes) return defaultBytes;
  return Math.min(configured, decompressedBytesMost);
}

export const defaultDistributorOptions: DistributorOptions = {
  recvBytesMax: 100 * mib,
  decompressedBytesMax: decompressedBytesDefault,
  inlineBytesMax: 2 * mib,
  inlineOtlpBytesMax: mib / 2,
  inflightBytesMax: 512 * mib,
  waitMsMax: 3_000,
  lingerMs: 5,
  batchBytesMax: 4 * mib,
  streamsCachedBytesMax: 64 * mib,
  streamIdleMs: 30 * 60_000,
  chunkAgeMaxMs: 2 * 3_600_000,
  refusedNamedMax: 10,
  otlpIndexAttributes: [
    'service.name',
    'service.namespace',
    'service.instance.id',
    'deployment.environment',
    'deployment.environment.name',
    'cloud.region',
    'cloud.availability_zone',
    'k8s.cluster.name',
    'k8s.namespace.name',
    'k8s.pod.name',
    'k8s.container.name',
    'container.name',
    'k8s.replicaset.name',
    'k8s.deployment.name',
    'k8s.statefulset.name',
    'k8s.daemonset.name',
    'k8s.cronjob.name',
    'k8s.job.name',
  ],
  removesExpired: false,
};
