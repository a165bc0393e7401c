/** `lokictl owner`: shows or moves the ownership of an object store. */
import os from 'node:os';
import { OwnerMark } from '@loki/catalog';
import { NodeClock } from '@loki/runtime';
import { UsageError } from './command.ts';
import type { Command } from './command.ts';
import { configFlags, openStore } from './configured-store.ts';

/** `lokictl owner show [DIR]` */
export const ownerShow: Command = {
  words: ['owner', 'show'],
  arguments: ['[DIR]'],
  summary:
    'Shows which embedded write log owns the store in DIR, or the configured store. Exit code 1 when none does.',
  flags: [...configFlags, { name: 'json', summary: 'print JSON' }],
  async run({ positional: [directory], flags }, io) {
    const { store, place } = await openStore(directory, flags, io);
    const owner = await new OwnerMark(store).current();
    if (flags.has('json')) io.out(`${JSON.stringify(owner ?? null)}\n`);
    else if (owner) {
      io.out(`${owner.logId}  ${owner.place}  since ${new Date(owner.sinceMs).toISOString()}\n`);
    } else io.out(`no embedded write log owns the store in ${place}\n`);
    return owner ? 0 : 1;
  },
};

/** `lokictl owner move --to LOG [DIR]` */
export const ownerMove: Command = {
  words: ['owner', 'move'],
  arguments: ['[DIR]'],
  summary:
    'Gives the store to another embedded write log, whose process can start afterwards. Stop the process of the present owner first: otherwise it ends within 15 s, and its lines that are not flushed stay in its log.',
  flags: [
    ...configFlags,
    {
      name: 'to',
      value: 'LOG',
      summary:
        'new owner: the 32 hex digits in the file `identity` of its directory, which its refused start names too',
    },
  ],
  async run({ positional: [directory], flags }, io) {
    const logId = flags.get('to');
    if (logId === undefined || !/^[0-9a-f]{32}$/.test(logId)) {
      throw new UsageError('--to needs the 32 hex digits of a write log');
    }
    const { store, place } = await openStore(directory, flags, io);
    const mark = new OwnerMark(store);
    const before = await mark.current();
    if (before?.logId === logId) {
      io.out(`the store in ${place} belongs to ${logId} already\n`);
      return 0;
    }
    await mark.move({ logId, place: `lokictl on ${os.hostname()}`, sinceMs: new NodeClock().nowMs() });
    io.out(
      `the store in ${place} belongs to ${logId} now${before ? `, to ${before.logId} (${before.place}) before` : ''}\n`,
    );
    return 0;
  },
};
