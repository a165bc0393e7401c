/** Encodes a batch as one or more records: step *batch* of a written line. */
import type { Workers } from '@loki/ports';
import { encodeRecords, encodeRecordsTask } from '@loki/segment';
import type { RowWriter } from '@loki/segment';

/** Smaller batches are encoded at once: a hop to another thread and back costs more than it saves. */
const inlineBytesMax = 32 * 1024;

/** Whether another thread encodes the batch. */
export function isEncodedElsewhere(writers: Iterable<RowWriter>): boolean {
  let rawBytes = 0;
  for (const { byteSize } of writers) rawBytes += byteSize;
  return rawBytes >= inlineBytesMax;
}

/**
 * Encodes the payloads of a batch: none without rows, several when one would exceed the log's largest record.
 * The writers are empty afterwards.
 */
export async function encodeBatch(
  writers: readonly RowWriter[],
  workers: Workers,
  bytesMax: number,
): Promise<Buffer[]> {
  const isInline = !isEncodedElsewhere(writers);
  const sections = Array.from(writers, (writer) => writer.finish()).flat();
  if (sections.length === 0) return [];
  if (isInline) return encodeRecords(sections, bytesMax);
  const { records } = await workers.run(encodeRecordsTask, { sections, bytesMax }, { isUrgent: true });
  // Bytes from another thread are a plain Uint8Array.
  return records.map((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}
