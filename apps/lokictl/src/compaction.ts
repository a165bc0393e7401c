/** `lokictl compaction`: finished and pending work of compactors. */
import { adminFlags, AdminClient } from './admin-client.ts';
import type { Command } from './command.ts';
import { ageText, bytesText, tableText } from './table.ts';

/** The answer of `/compaction`. */
interface CompactionAnswer {
  readonly compactors: readonly {
    readonly instance: string;
    readonly backlogMerges: number;
    readonly backlogBytes: number;
    readonly waiting: readonly { readonly tenant: string; readonly day: string; readonly bytes: number }[];
    readonly isRunning: boolean;
    readonly lastRound?: { readonly endedMs: number; readonly seconds: number; readonly merges: number };
    readonly merges: number;
    readonly inputBytes: number;
    readonly outputBytes: number;
  }[];
  readonly failures: readonly { readonly instance: string; readonly error: string }[];
}

/** `lokictl compaction` */
export const compaction: Command = {
  words: ['compaction'],
  arguments: [],
  summary: 'Shows the work of every compactor since its start, and the work that waits.',
  flags: [...adminFlags, { name: 'days', summary: 'also list the tenants and days that wait' }],
  async run(args, io) {
    const client = await AdminClient.one(args, io);
    const answer = await client.json<CompactionAnswer>('/compaction');
    const code = answer.failures.length === 0 ? 0 : 1;
    if (args.flags.has('json')) {
      io.out(`${JSON.stringify(answer, undefined, 2)}\n`);
      return code;
    }
    const nowMs = Date.now();
    const rows = answer.compactors.map((each) => [
      each.instance,
      each.isRunning ? 'running' : 'idle',
      String(each.backlogMerges),
      bytesText(each.backlogBytes),
      each.lastRound
        ? `${ageText(nowMs - each.lastRound.endedMs)}, ${each.lastRound.seconds.toFixed(1)} s, ${each.lastRound.merges} merges`
        : '-',
      String(each.merges),
      bytesText(each.inputBytes),
      bytesText(each.outputBytes),
    ]);
    const heads = ['COMPACTOR', 'STATE', 'WAITING', 'TO READ', 'LAST ROUND', 'MERGES', 'READ', 'WRITTEN'];
    io.out(tableText(heads, rows));
    if (args.flags.has('days')) {
      const days = answer.compactors.flatMap(({ instance, waiting }) =>
        waiting.map(({ tenant, day, bytes }) => [tenant, day, bytesText(bytes), instance]),
      );
      io.out(
        days.length === 0 ? '\nnothing waits\n' : `\n${tableText(['TENANT', 'DAY', 'TO READ', 'BY'], days)}`,
      );
    }
    for (const { instance, error } of answer.failures) io.err(`lokictl: ${instance}: ${error}\n`);
    return code;
  },
};
