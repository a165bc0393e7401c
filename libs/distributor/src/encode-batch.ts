import type { Workers } from '@loki/ports';
import { encodeRecordTask, encodeSegment, type RawSection, type RowWriter } from '@loki/segment';

/** Batches below this are encoded at once: a hop to another thread and back costs more than it saves. */
const inlineBytesMax = 32 * 1024;

/** The payload of a batch; undefined when there are no rows. The writers are empty afterwards. */
export async function encodeBatch(
  writers: Iterable<RowWriter>,
  workers: Workers,
): Promise<Buffer | undefined> {
  const sections: RawSection[] = [];
  let rawBytes = 0;
  for (const writer of writers) {
    rawBytes += writer.byteSize;
    sections.push(...writer.finish());
  }
  if (sections.length === 0) return undefined;
  if (rawBytes < inlineBytesMax) return encodeSegment(sections, { kind: 'record' });
  const { bytes } = await workers.run(encodeRecordTask, { sections, options: { kind: 'record' } });
  // What crossed a thread is a plain Uint8Array.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
