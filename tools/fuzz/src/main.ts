/**
 * Hostile inputs for every decoder of the tree. Each target has a thread; an input that throws what is no
 * refusal, takes over 100 ms of CPU, takes more memory than its decoder states, or never returns, is made
 * small and printed with the command that finds it again.
 *
 *     npm run fuzz -- [--target REGEX|flip|cut] [--seed S] [--count N] [--seconds S] [--input FILE]
 *                     [--no-shrink] [--list] [--json FILE]
 */
import fs from 'node:fs';
import { endWithUsageError, readOptions } from '@loki/command-line';
import { loadHash } from '@loki/model';
import { cutAtEveryByte, flipEveryBit, inputAt, judge } from '@loki/test-tools';
import type { FuzzTarget, GoldenFile } from '@loki/test-tools';
import { findTargets } from './find-targets.ts';
import { runRound } from './round.ts';
import type { RoundAnswer } from './round.ts';

const { values: options } = readOptions(import.meta.filename, {
  options: {
    target: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '0' },
    input: { type: 'string', default: '' },
    json: { type: 'string', default: '' },
    'no-shrink': { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

/** A round has its own seed and its own growing corpus, so that a finding is found again within a minute. */
const roundInputs = 10_000;

async function main(): Promise<number> {
  await loadHash();
  const { targets, goldenFiles } = await findTargets();
  if (options.target === 'flip') return damageAll(goldenFiles, 'flip', flipEveryBit);
  if (options.target === 'cut') return damageAll(goldenFiles, 'cut', cutAtEveryByte);
  const selected = targets.filter(({ name }) => new RegExp(`^(?:${options.target || '.*'})$`).test(name));
  if (selected.length === 0) endWithUsageError(`no target of --list is named ${options.target}`);
  if (options.list) {
    for (const { name, shape } of selected) console.log(`${name} (${shape})`);
    for (const { name, bytes } of goldenFiles) console.log(`flip, cut: ${name} (${bytes().length} bytes)`);
    return 0;
  }
  if (options.input !== '') return runInput(selected[0], fs.readFileSync(options.input));
  return fuzzAll(selected);
}

async function fuzzAll(targets: readonly FuzzTarget[]): Promise<number> {
  const figures: Record<string, unknown>[] = [];
  let inputs = 0;
  let failures = 0;
  for (const target of targets) {
    const startedMs = Date.now();
    const answer = await fuzzTarget(target);
    inputs += answer.inputs;
    failures += answer.failures;
    const seconds = (Date.now() - startedMs) / 1000;
    const perSecond = Math.round(answer.inputs / Math.max(0.001, seconds));
    const { outcomes, cpuMsMost } = answer;
    figures.push({ target: target.name, ...answer, perSecond });
    console.log(
      `${answer.failures === 0 ? 'ok  ' : 'FAIL'} ${target.name}: ${answer.inputs} inputs, ` +
        `${outcomes} outcomes, ${perSecond}/s, ${cpuMsMost.toFixed(1)} ms the longest`,
    );
  }
  console.log(`${inputs} inputs over ${targets.length} targets, ${failures} kinds of failures`);
  if (options.json !== '') fs.writeFileSync(options.json, JSON.stringify({ inputs, failures, figures }));
  return failures === 0 ? 0 : 1;
}

interface TargetFigures {
  readonly inputs: number;
  readonly outcomes: number;
  readonly cpuMsMost: number;
  readonly failures: number;
}

/** Rounds of following seeds, until all inputs or all seconds are used. */
async function fuzzTarget(target: FuzzTarget): Promise<TargetFigures> {
  const seconds = Number(options.seconds);
  const countMax = seconds > 0 ? Infinity : Number(options.count);
  const untilMs = seconds > 0 ? Date.now() + seconds * 1000 : Infinity;
  const total = { inputs: 0, outcomes: 0, cpuMsMost: 0, failures: 0 };
  const kinds = new Set<string>();
  for (let seed = Number(options.seed); total.inputs < countMax && Date.now() < untilMs; seed++) {
    const count = Math.min(roundInputs, countMax - total.inputs);
    const isShrinking = !options['no-shrink'];
    const answer = await runRound({ target: target.name, seed, count, untilMs, isShrinking });
    total.inputs += answer.inputs;
    total.outcomes = Math.max(total.outcomes, answer.outcomes);
    total.cpuMsMost = Math.max(total.cpuMsMost, answer.cpuMsMost);
    for (const failure of answer.failures) {
      const kind = `${failure.finding.kind} ${failure.finding.text.replace(/\d+/g, '#').slice(0, 60)}`;
      if (kinds.has(kind)) continue;
      kinds.add(kind);
      total.failures++;
      await tell(target, failure);
    }
    if (answer.inputs === 0) break;
  }
  return total;
}

async function tell(target: FuzzTarget, failure: RoundAnswer['failures'][number]): Promise<void> {
  const { finding, seed, count } = failure;
  const smallest = Buffer.from(failure.smallest ?? (await inputAt(target, seed, count)));
  const isText = smallest.equals(Buffer.from(smallest.toString()));
  const inputText = isText ? JSON.stringify(smallest.toString()) : `base64 ${smallest.toString('base64')}`;
  console.log(`${target.name}: ${finding.kind}: ${finding.text}`);
  if (finding.stack !== undefined) console.log(finding.stack);
  console.log(`  input (${smallest.length} bytes): ${inputText.slice(0, 2000)}`);
  console.log(`  npm run fuzz -- --target ${target.name} --seed ${seed} --count ${count}`);
}

async function runInput(target: FuzzTarget, input: Buffer): Promise<number> {
  const { signature, finding, cpuMs } = await judge(target, input);
  console.log(`${target.name}: ${signature}, ${cpuMs.toFixed(1)} ms of CPU`);
  if (finding) console.log(finding.kind, finding.stack ?? finding.text);
  return finding ? 1 : 0;
}

async function damageAll(
  files: readonly GoldenFile[],
  kind: string,
  damage: typeof flipEveryBit,
): Promise<number> {
  let attempts = 0;
  let failed = 0;
  for (const file of files) {
    const report = await damage(file);
    attempts += report.attempts;
    failed += report.faults.length;
    console.log(`${report.faults.length === 0 ? 'ok  ' : 'FAIL'} ${file.name}: ${report.attempts} × ${kind}`);
    for (const fault of report.faults) console.log(`  ${fault}`);
  }
  console.log(`${attempts} × ${kind} over ${files.length} files, ${failed} faults`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
