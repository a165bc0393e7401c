/** `lokictl repair`: rebuilds damaged manifests and steps of delete requests. */
import { repairCatalog } from '@loki/catalog';
import { NodeClock } from '@loki/runtime';
import type { Command } from './command.ts';
import { configFlags, openStore } from './configured-store.ts';
import { countPartitions } from './stored-catalog.ts';

/** `lokictl repair [--dry-run] [DIR]` */
export const repair: Command = {
  words: ['repair'],
  arguments: ['[DIR]'],
  summary:
    'Rebuilds damaged manifests and steps of delete requests in the store in DIR, or in the configured store, and keeps their bytes under quarantine/. Stop all processes that write to the store first. Exit code 1 when damage remains.',
  flags: [...configFlags, { name: 'dry-run', summary: 'list the damage and change nothing' }],
  async run({ positional: [directory], flags }, io) {
    const { store: objectStore, place } = await openStore(directory, flags, io);
    const repairs = await repairCatalog({
      objectStore,
      partitionCount: await countPartitions(objectStore),
      nowMs: new NodeClock().nowMs(),
      isDryRun: flags.has('dry-run'),
    });
    for (const { text, isMended } of repairs) io.out(`${isMended ? 'repaired' : 'damaged'}: ${text}\n`);
    if (repairs.length === 0) io.out(`nothing is damaged in ${place}\n`);
    return repairs.every(({ isMended }) => isMended) ? 0 : 1;
  },
};
