/** `lokictl partitions`: owners, lag and offsets of partitions. */
import { adminFlags, AdminClient } from './admin-client.ts';
import type { Command } from './command.ts';
import { bytesText, tableText } from './table.ts';

/** The answer of `/partitions`. */
export interface PartitionsAnswer {
  readonly partitions: readonly {
    readonly partition: number;
    readonly owners: readonly string[];
    readonly instances: readonly InstanceStatus[];
  }[];
  readonly failures: readonly { readonly instance: string; readonly error: string }[];
}

interface InstanceStatus {
  readonly instance: string;
  readonly isLeader: boolean;
  readonly isCaughtUp: boolean;
  readonly committedOffset: number;
  readonly consumedOffset: number;
  readonly endOffset?: number;
  readonly headRecords: number;
  readonly headBytes: number;
}

/** `lokictl partitions` */
export const partitions: Command = {
  words: ['partitions'],
  arguments: [],
  summary:
    'Shows every partition of the write log: its owners, and how far it is read and committed. Exit code 1 when a partition has no leader that has caught up.',
  flags: [...adminFlags, { name: 'all', summary: 'print a line for each owner, not for the leader alone' }],
  async run(args, io) {
    const client = await AdminClient.one(args, io);
    const answer = await client.json<PartitionsAnswer>('/partitions');
    const isWell = answer.partitions.every(({ instances }) =>
      instances.some(({ isLeader, isCaughtUp }) => isLeader && isCaughtUp),
    );
    const code = isWell && answer.failures.length === 0 ? 0 : 1;
    if (args.flags.has('json')) {
      io.out(`${JSON.stringify(answer, undefined, 2)}\n`);
      return code;
    }
    const rows = answer.partitions.flatMap(({ partition, owners, instances }) => {
      const leaders = instances.filter(({ isLeader }) => isLeader);
      const listed = args.flags.has('all') ? instances : leaders;
      if (listed.length === 0) {
        return [[String(partition), owners.join(' '), '-', '-', '-', '-', '-', 'no leader']];
      }
      return listed.map((each) => [
        String(partition),
        owners.join(' '),
        each.instance,
        each.endOffset === undefined ? '?' : String(each.endOffset - each.consumedOffset),
        String(each.committedOffset),
        each.endOffset === undefined ? '?' : String(each.endOffset),
        bytesText(each.headBytes),
        stateOf(each, leaders.length),
      ]);
    });
    const heads = ['PARTITION', 'OWNERS', 'INSTANCE', 'LAG', 'COMMITTED', 'END', 'IN MEMORY', 'STATE'];
    io.out(tableText(heads, rows));
    for (const { instance, error } of answer.failures) io.err(`lokictl: ${instance}: ${error}\n`);
    return code;
  },
};

function stateOf({ isLeader, isCaughtUp }: InstanceStatus, leaders: number): string {
  const role = isLeader ? (leaders > 1 ? 'leads, and another does' : 'leads') : 'follows';
  return isCaughtUp ? role : `${role}, reading`;
}
