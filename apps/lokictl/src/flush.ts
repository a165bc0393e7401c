/** `lokictl flush`: stores the entries in memory. */
import { adminFlags, AdminClient, AdminError } from './admin-client.ts';
import { UsageError } from './command.ts';
import type { Command } from './command.ts';

/** A flush writes all entries in the ingesters' memory. */
const timeoutSeconds = '300';

/** `lokictl flush` */
export const flush: Command = {
  words: ['flush'],
  arguments: [],
  summary:
    'Stores everything that is in memory: of one ingester, or of all ingesters when --addr is a gateway. --addr takes several URLs, separated by commas.',
  flags: adminFlags
    .filter(({ name }) => name !== 'json')
    .map((flag) =>
      flag.name === 'timeout'
        ? { ...flag, summary: `time to wait for an answer; default ${timeoutSeconds}` }
        : flag,
    ),
  async run(args, io) {
    const flags = new Map([['timeout', timeoutSeconds], ...args.flags]);
    const clients = await AdminClient.all({ ...args, flags }, io);
    if (clients.length === 0) throw new UsageError('--addr is missing');
    for (const client of clients) {
      const { status, text } = await client.send('POST', '/flush');
      if (status === 404) {
        throw new AdminError(
          `${client.address} has no route /flush: give the address of an ingester or a gateway`,
        );
      }
      if (status !== 204) throw new AdminError(`${client.address}: /flush: ${status} ${text.trim()}`);
      io.out(`${client.address}: flushed\n`);
    }
    return 0;
  },
};
