/** `lokictl services`: services of processes and their readiness. */
import { adminFlags, AdminClient } from './admin-client.ts';
import type { Command } from './command.ts';
import { failureText } from './failure-text.ts';
import { tableText } from './table.ts';

interface ProcessServices {
  readonly address: string;
  readonly isReady: boolean;
  /** The reason why it is not ready. */
  readonly reason: string;
  /** The program's own version and commit, then the Loki whose behaviour it has. */
  readonly version: string;
  /** Components with their states. */
  readonly services: Readonly<Record<string, string>>;
}

/** `lokictl services` */
export const services: Command = {
  words: ['services'],
  arguments: [],
  summary:
    'Shows the services of each process, and whether they are ready. --addr takes several URLs, separated by commas. Exit code 1 when one is not ready.',
  flags: adminFlags,
  async run(args, io) {
    const clients = await AdminClient.all(args, io);
    const processes = await Promise.all(clients.map(describe));
    if (args.flags.has('json')) io.out(`${JSON.stringify(processes, undefined, 2)}\n`);
    else {
      const rows = processes.map(({ address, isReady, reason, version, services: states }) => [
        address,
        isReady ? 'ready' : 'NOT READY',
        version || '-',
        Object.entries(states)
          .map(([name, state]) => (state === 'Running' ? name : `${name} (${state})`))
          .join(', ') || reason,
      ]);
      io.out(tableText(['ADDRESS', 'STATE', 'VERSION', 'SERVES'], rows));
      for (const { address, isReady, reason } of processes) {
        if (!isReady) io.err(`lokictl: ${address}: ${reason.replaceAll('\n', ' ')}\n`);
      }
    }
    return processes.every(({ isReady }) => isReady) ? 0 : 1;
  },
};

interface Build {
  readonly version: string;
  readonly revision?: string;
  /** The release of the program. */
  readonly branch?: string;
}

function versionOf({ version, revision = '', branch = '' }: Build): string {
  return [branch, revision.slice(0, 12), `(Loki ${version})`].filter((word) => word !== '').join(' ');
}

async function describe(client: AdminClient): Promise<ProcessServices> {
  const { address } = client;
  try {
    const [ready, list, build] = await Promise.all([
      client.send('GET', '/ready'),
      client.send('GET', '/services'),
      client.send('GET', '/loki/api/v1/status/buildinfo'),
    ]);
    const lines = list.status === 200 ? list.text.split('\n') : [];
    const states = lines.map((line) => line.split(' => ')).filter((parts) => parts.length === 2);
    const isReady = ready.status === 200;
    return {
      address,
      isReady,
      reason: isReady ? '' : ready.text.trim(),
      version: build.status === 200 ? versionOf(JSON.parse(build.text) as Build) : '',
      services: Object.fromEntries(states),
    };
  } catch (error) {
    return { address, isReady: false, reason: failureText(error), version: '', services: {} };
  }
}
