/** `lokictl segment verify`: checks every byte of segments. */
import { verifySegment } from '@loki/segment';
import type { Command } from './command.ts';
import { failureText } from './failure-text.ts';

/** `lokictl segment verify PATH...` */
export const segmentVerify: Command = {
  words: ['segment', 'verify'],
  arguments: ['PATH...'],
  summary: 'Decodes whole segment files and checks every checksum and every promise of the format.',
  flags: [{ name: 'quiet', summary: 'print damage only' }],
  async run({ positional: paths, flags }, io) {
    let damaged = 0;
    for (const path of paths) {
      try {
        const { sections, streams, blocks, rows } = verifySegment(await io.readFile(path), path);
        if (!flags.has('quiet')) {
          io.out(`${path}: sound: ${sections} tenants, ${streams} streams, ${blocks} blocks, ${rows} rows\n`);
        }
      } catch (error) {
        damaged++;
        const text = failureText(error);
        io.err(text.startsWith(path) ? `${text}\n` : `${path}: ${text}\n`);
      }
    }
    return damaged === 0 ? 0 : 1;
  },
};
