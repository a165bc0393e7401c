/** The identity of an embedded log: it belongs to the directory, not to the process that opens it. */
import { LokiError } from '@loki/model';
import type { Disk, Random } from '@loki/ports';

const path = 'identity';
const unfinished = 'identity.tmp';

/**
 * Reads the identity of the log in `disk`, or creates one: 32 hex digits, durable when this resolves.
 *
 * @throws LokiError `corrupt` when the file has no valid identity: a new one would not own the store
 */
export async function readLogIdentity(disk: Disk, random: Random): Promise<string> {
  const names = await disk.list('');
  if (names.includes(path)) {
    const file = await disk.open(path, { readOnly: true });
    try {
      const text = (await file.read(0, 64)).toString('latin1').trim();
      if (/^[0-9a-f]{32}$/.test(text)) return text;
      throw new LokiError('corrupt', `write log: ${path} holds no identity (32 hex digits)`);
    } finally {
      await file.close();
    }
  }
  await disk.makeDirectory('');
  await disk.remove(unfinished);
  const identity = Buffer.from(random.bytes(16)).toString('hex');
  const file = await disk.open(unfinished, { create: true });
  try {
    await file.append(Buffer.from(`${identity}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(unfinished, path);
  await disk.syncDirectory('');
  return identity;
}
