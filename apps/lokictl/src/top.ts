/** `lokictl top`: tenants, processes and partitions by their present usage. */
import { adminFlags, AdminClient } from './admin-client.ts';
import { UsageError } from './command.ts';
import type { Command, CommandIo, ParsedArgs } from './command.ts';
import { failureText } from './failure-text.ts';
import type { PartitionsAnswer } from './partitions.ts';
import { bytesText, tableText } from './table.ts';
import { tenantOrders, usageOf } from './top-usage.ts';
import type { Sample, SystemUsage, UsageAnswer } from './top-usage.ts';

const defaultSeconds = 2;
/** Lines of a list where the height of the terminal is unknown. */
const defaultRows = 10;
const columnsDefault = 80;
/** Longest name in a table: with it tenants fit into 80 columns. */
const nameMax = 18;
const clearScreen = '\u001b[H\u001b[J';

/** `lokictl top` */
export const top: Command = {
  words: ['top'],
  arguments: [],
  summary:
    'Shows the usage of tenants, processes and partitions, and tenants near a limit; live on a terminal. Queriers are in no ring: name their addresses too in --addr to see them.',
  flags: [
    ...adminFlags,
    { name: 'once', summary: 'print once, from two looks; so does output that is no terminal' },
    { name: 'interval', value: 'SECONDS', summary: `time between two looks; default ${defaultSeconds}` },
    { name: 'by', value: 'NAME', summary: `order of tenants: ${Object.keys(tenantOrders).join(', ')}` },
    {
      name: 'rows',
      value: 'N',
      summary: `lines of each list; default: the height of the terminal, else ${defaultRows}`,
    },
  ],
  async run(args, io) {
    const options = optionsOf(args);
    const clients = await AdminClient.all(args, io);
    let before = await look(clients);
    for (;;) {
      await io.pause(options.seconds * 1000);
      let now: Sample;
      try {
        now = await look(clients);
      } catch (error) {
        if (!options.isLive(io)) throw error;
        io.out(`${clearScreen}lokictl: ${failureText(error)}\n`);
        continue;
      }
      const usage = usageOf(before, now, options.order);
      if (args.flags.has('json')) io.out(`${JSON.stringify(usage, undefined, 2)}\n`);
      else {
        const page = pageOf(usage, clients[0].address, options.rows, io.terminal);
        io.out(options.isLive(io) ? clearScreen + page : page);
      }
      if (!options.isLive(io)) return usage.failures.length > 0 ? 1 : 0;
      before = now;
    }
  },
};

interface TopOptions {
  readonly order: keyof typeof tenantOrders;
  readonly seconds: number;
  readonly rows: number | undefined;
  isLive(io: CommandIo): boolean;
}

function optionsOf({ flags }: ParsedArgs): TopOptions {
  const order = flags.get('by') ?? 'bytes';
  if (!Object.hasOwn(tenantOrders, order)) {
    throw new UsageError(`--by is one of ${Object.keys(tenantOrders).join(', ')}`);
  }
  const seconds = Number(flags.get('interval') ?? defaultSeconds);
  if (!(seconds >= 0.1 && seconds <= 3600)) throw new UsageError('--interval takes 0.1 to 3600 seconds');
  const rows = flags.get('rows');
  if (rows !== undefined && !(Number.isInteger(Number(rows)) && Number(rows) >= 1)) {
    throw new UsageError('--rows takes a number from 1 on');
  }
  return {
    order: order as keyof typeof tenantOrders,
    seconds,
    rows: rows === undefined ? undefined : Number(rows),
    isLive: (io) => io.terminal !== undefined && !flags.has('once') && !flags.has('json'),
  };
}

/** The first address returns the usage of the whole system; the others add processes that its rings lack. */
async function look(clients: readonly AdminClient[]): Promise<Sample> {
  const [answers, partitions] = await Promise.all([
    Promise.all(clients.map((client) => client.json<UsageAnswer>('/usage'))),
    clients[0].json<PartitionsAnswer>('/partitions'),
  ]);
  const processes = new Map<string, UsageAnswer['processes'][number]>();
  for (const process of answers.flatMap((answer) => answer.processes)) {
    processes.set(`${process.instance} ${process.target}`, process);
  }
  const failures = answers.flatMap((answer) => answer.failures);
  return { usage: { processes: [...processes.values()], failures }, partitions };
}

/** The lists of a page, each with at most that many rows, each line as wide as the terminal at most. */
function pageOf(
  usage: SystemUsage,
  address: string,
  rows: number | undefined,
  terminal: CommandIo['terminal'],
): string {
  const { warnings, processes, tenants, partitions, failures } = usage;
  // Four lists, each with a head and a blank line, below the first line.
  const rowsMax = rows ?? (terminal ? Math.max(3, Math.floor((terminal.rows - 12) / 4)) : defaultRows);
  const lists = [
    listText(['LIMIT', 'NEAR OR PAST IT'], warningRows(usage), [0], rowsMax),
    listText(processHeads, processes.map(processRow), [2, 3, 4, 5, 6], rowsMax),
    listText(tenantHeads, tenants.map(tenantRow), [1, 2, 3, 4, 5, 6], rowsMax),
    listText(partitionHeads, partitions.map(partitionRow), [0, 2, 3], rowsMax),
  ];
  const counts = `processes: ${processes.length}, tenants: ${tenants.length}, partitions: ${partitions.length}`;
  const isQuiet = warnings.length + failures.length === 0;
  const text = [`${address}  ${counts}`, ...(isQuiet ? lists.slice(1) : lists)];
  const columns = terminal?.columns ?? columnsDefault;
  return `${text
    .join('\n\n')
    .split('\n')
    .map((line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line))
    .join('\n')}\n`;
}

function listText(
  heads: readonly string[],
  rows: string[][],
  right: readonly number[],
  rowsMax: number,
): string {
  const table = tableText(heads, rows.slice(0, rowsMax), right);
  const more = rows.length > rowsMax ? `\n… and ${rows.length - rowsMax} more` : '';
  return table.trimEnd() + more;
}

function warningRows({ warnings, failures }: SystemUsage): string[][] {
  return [
    ...failures.map(({ instance, error }) => ['-', `${instance} does not answer: ${error}`]),
    ...warnings.map(({ share, text }) => [share === undefined ? '-' : `${Math.round(share * 100)} %`, text]),
  ];
}

const processHeads = ['PROCESS', 'TARGET', 'CPUS', 'MEMORY', 'OF', 'ROWS', 'OF'];

function processRow(each: SystemUsage['processes'][number]): string[] {
  const { instance, target, cpus, residentBytes, memoryBytes, headBytes, headBytesMax } = each;
  const heads = headBytesMax > 0 ? [bytesText(headBytes), bytesText(headBytesMax)] : ['-', '-'];
  return [
    nameText(instance),
    nameText(target),
    cpus.toFixed(2),
    bytesText(residentBytes),
    bytesText(memoryBytes),
    ...heads,
  ];
}

const tenantHeads = ['TENANT', 'BYTES/S', 'LINES/S', 'STREAMS', 'IN MEMORY', 'PARTS/S', 'SCANNED/S'];

function tenantRow(each: SystemUsage['tenants'][number]): string[] {
  const { tenant, bytesRate, linesRate, streams, headBytes, queryPartsRate, scannedRate } = each;
  return [
    nameText(tenant),
    bytesText(Math.round(bytesRate)),
    linesRate.toFixed(0),
    String(streams),
    bytesText(headBytes),
    queryPartsRate.toFixed(1),
    bytesText(Math.round(scannedRate)),
  ];
}

const partitionHeads = ['PARTITION', 'LEADER', 'LAG', 'IN MEMORY', 'STATE'];

function partitionRow(each: SystemUsage['partitions'][number]): string[] {
  const { partition, leader, lag, headBytes, isCaughtUp } = each;
  const state = leader === undefined ? 'no leader' : isCaughtUp ? 'caught up' : 'behind';
  return [
    String(partition),
    nameText(leader ?? '-'),
    lag === undefined ? '?' : String(lag),
    bytesText(headBytes),
    state,
  ];
}

function nameText(name: string): string {
  return name.length > nameMax ? `${name.slice(0, nameMax - 1)}…` : name;
}
