/** Reads new segments back before their commit: step *merge, remove* of a stored day. */
import { LokiError } from '@loki/model';
import type { Task } from '@loki/ports';
import { openSegment, verifySegment } from '@loki/segment';

interface VerifyInput {
  readonly key: string;
  readonly tenant: string;
  readonly rowCount: number;
}

/** Segments read side by side. */
const readsMax = 8;

/**
 * One search filter in this many is rebuilt and compared. The same code made it, so this detects a faulty
 * machine only.
 */
const filterEvery = 8;

/** The content of a stored segment, as the catalog records it. */
interface VerifiedSegment {
  readonly sizeBytes: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
}

/**
 * Reads new segments back from the store and decodes all of them, before the replaced segments may be
 * removed.
 *
 * @throws LokiError `corrupt` if anything differs from the written rows
 */
export const verifyTask: Task<readonly VerifyInput[], readonly VerifiedSegment[]> = {
  name: 'compactor.verify',
  async run(inputs, { objectStore }) {
    const verified: VerifiedSegment[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < inputs.length) {
        const at = next++;
        verified[at] = verify(inputs[at], await objectStore.get(inputs[at].key));
      }
    };
    await Promise.all(Array.from({ length: Math.min(readsMax, inputs.length) }, work));
    return verified;
  },
};

function verify({ key, tenant, rowCount }: VerifyInput, bytes: Buffer): VerifiedSegment {
  const report = verifySegment(bytes, key, filterEvery);
  const section = openSegment(bytes, key).section(tenant);
  if (report.sections !== 1 || !section || report.rows !== rowCount) {
    throw new LokiError('corrupt', `${key}: read back ${report.rows} rows, ${rowCount} were written`);
  }
  const { minNs, maxNs, lineBytes } = section;
  return { sizeBytes: bytes.length, minNs, maxNs, rowCount, lineBytes };
}
