/** The position up to which a queue's records were taken, in a file of its own. FORMAT.md draws it. */
import { crc32c } from '@loki/bytes';
import type { Disk } from '@loki/ports';

/** The checksum is optional: older positions have none. */
const positionForm = /^(\d{1,15}) (\d{1,15})(?: crc32c=([0-9a-f]{8}))?\n$/;

function positionCheck(number: string, offset: string): string {
  return crc32c(Buffer.from(`${number} ${offset}`))
    .toString(16)
    .padStart(8, '0');
}

export interface Position {
  readonly file: number;
  readonly offset: number;
}

const positionFile = 'position';

/** undefined: missing or damaged; samples are then sent again. */
export async function readPosition(disk: Disk, directory: string): Promise<Position | undefined> {
  try {
    const file = await disk.open(`${directory}/${positionFile}`);
    try {
      const match = positionForm.exec((await file.read(0, 64)).toString('latin1'));
      if (!match || (match[3] !== undefined && match[3] !== positionCheck(match[1], match[2]))) {
        return undefined;
      }
      return { file: Number(match[1]), offset: Number(match[2]) };
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Not synced: after a crash an older position means that some samples are sent twice, which the receiver
 * ignores or refuses.
 */
export async function savePosition(disk: Disk, directory: string, { file, offset }: Position): Promise<void> {
  const temporary = `${directory}/${positionFile}.new`;
  await disk.remove(temporary);
  const target = await disk.open(temporary, { create: true });
  try {
    const check = positionCheck(String(file), String(offset));
    await target.append(Buffer.from(`${file} ${offset} crc32c=${check}\n`));
  } finally {
    await target.close();
  }
  await disk.rename(temporary, `${directory}/${positionFile}`);
}
