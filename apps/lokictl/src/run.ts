/** Finds and runs the command that the arguments name. */
import { chartConvert } from './chart.ts';
import { helpOf, parseArgs, shortUsageOf, UsageError, usageOf } from './command.ts';
import type { Command, CommandIo } from './command.ts';
import { compaction } from './compaction.ts';
import { exportLogs } from './export.ts';
import { failureText } from './failure-text.ts';
import { flush } from './flush.ts';
import { ownerMove, ownerShow } from './owner.ts';
import { partitions } from './partitions.ts';
import { explain, labels, query } from './queries.ts';
import { repair } from './repair.ts';
import { retention } from './retention.ts';
import { forget, ring } from './rings.ts';
import { segmentInspect } from './segment-inspect.ts';
import { segmentVerify } from './segment-verify.ts';
import { services } from './services.ts';
import { storeVerify } from './store-verify.ts';
import { top } from './top.ts';

/** All verbs, in the order of the help. */
const commands: readonly Command[] = [
  query,
  labels,
  explain,
  exportLogs,
  top,
  services,
  ring,
  forget,
  partitions,
  flush,
  compaction,
  segmentInspect,
  segmentVerify,
  storeVerify,
  retention,
  ownerShow,
  ownerMove,
  repair,
  chartConvert,
];

const exitUsage = 2;

/** Runs the command that `words` (without node and script) name; returns the exit code. */
export async function run(words: readonly string[], io: CommandIo): Promise<number> {
  const isHelp =
    words.length === 0 || words.includes('--help') || words.includes('-h') || words[0] === 'help';
  const named = words.filter((word) => !['help', '--help', '-h'].includes(word));
  const command = commands.find((one) => one.words.every((word, i) => named[i] === word));
  if (!command) {
    if (named.length === 0 && isHelp) {
      io.out(overview());
      return words.length === 0 ? exitUsage : 0;
    }
    const group = commands.filter((one) => one.words[0] === named[0]);
    const problem = group.length > 0 ? 'needs one of' : 'is not a command; there are';
    const texts = (group.length > 0 ? group : commands).map((one) => one.words.join(' '));
    io.err(`lokictl: ${named.slice(0, 2).join(' ')} ${problem}: ${texts.join(', ')}\n`);
    return exitUsage;
  }
  if (isHelp) {
    io.out(helpOf(command));
    return 0;
  }
  try {
    return await command.run(parseArgs(command, words.slice(command.words.length)), io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.err(`lokictl: ${error.message}\nUsage: ${usageOf(command)}\n`);
      return exitUsage;
    }
    io.err(`lokictl: ${failureText(error)}\n`);
    return 1;
  }
}

function overview(): string {
  const lines = ['lokictl inspects a running log database and its stored segments.', '', 'Commands:'];
  for (const command of commands) lines.push(`  ${shortUsageOf(command)}`, `      ${command.summary}`);
  lines.push(
    '',
    'lokictl COMMAND --help lists the flags of a command. Exit code: 0 ok, 1 failure, 2 usage error.',
  );
  return `${lines.join('\n')}\n`;
}
