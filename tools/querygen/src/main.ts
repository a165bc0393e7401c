/** `npm run fuzz:queries`: command line of the query fuzzer. */
import { answerHelp, endWithUsageError } from '@loki/command-line';
import { parseArgs, usage } from './args.ts';
import type { FuzzArgs } from './args.ts';
import { runCampaign } from './campaign.ts';
import type { Finding } from './campaign.ts';

/** Errors are expected in nearly all questions of a campaign: their stacks would take a tenth of the time. */
const stackFrames = 0;

answerHelp(usage);
process.exitCode = (await main(argsOrUsageError())) ? 0 : 1;

function argsOrUsageError(): FuzzArgs {
  try {
    return parseArgs(process.argv.slice(2));
  } catch (error) {
    return endWithUsageError((error as Error).message);
  }
}

/** True when all ways gave equal answers. */
async function main(args: FuzzArgs): Promise<boolean> {
  const beganMs = performance.now();
  Error.stackTraceLimit = stackFrames;
  const result = await runCampaign({
    ...args,
    findingsMax: 10,
    onQuestion: args.isShowing
      ? (question, answer) =>
          console.log(`${question.kind} ${question.query}\n  ${answer.text.slice(0, 200)}`)
      : undefined,
    onFinding: report,
    onProgress: (queryCount) => console.error(`${queryCount} queries, ${seconds(beganMs)} s`),
  });
  const { queries, compared, oracled, laws, refereed, unsure, errors, empty, coverage, findings } = result;
  const lacking = coverage.lacking();
  console.log(coverage.table());
  for (const text of lacking) console.log(`NOT WHAT IT SHOULD BE: ${text}`);
  console.log(
    `${queries} queries (${errors} errors, ${empty} empty answers), ${compared} comparisons, ${oracled} with the oracle, ${laws} with laws, ${refereed} judged by the referee (${unsure} more it was unsure of), in ${seconds(beganMs)} s: ` +
      (findings.length === 0 ? 'no difference' : `${findings.length} DIFFERENCES`),
  );
  return findings.length === 0 && lacking.length === 0;
}

function report({ seed, data, question, difference, names, answers }: Finding): void {
  console.log(`seed ${seed}: ${difference}`);
  console.log(`  ${describe(question)}`);
  const rows = data.pushes.flatMap(({ tenant, streams }) =>
    streams.flatMap((each) =>
      each.rows.map(
        (row) =>
          `    ${tenant} ${each.labels.toString()} ${row.timestampNs} ${JSON.stringify(row.line)} ${JSON.stringify(row.metadata)}`,
      ),
    ),
  );
  console.log(`  rows: ${rows.length}\n${rows.slice(0, 12).join('\n')}`);
  names.forEach((name, i) => console.log(`  ${name}:\n    ${answers[i].text.slice(0, 2_000)}`));
}

function describe(question: Finding['question']): string {
  const { kind, query, tenants, startNs, endNs, stepNs, limit, direction, intervalNs } = question;
  const times = kind === 'instant' ? `time=${endNs}` : `start=${startNs} end=${endNs}`;
  const step = kind === 'range' ? ` step=${Number(stepNs) / 1e9}s` : '';
  const interval = intervalNs > 0n ? ` interval=${Number(intervalNs) / 1e9}s` : '';
  return `${tenants.join('|')} ${kind} ${times}${step}${interval} limit=${limit} ${direction}\n  ${query}`;
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(1);
}
