/**
 * The recorded answers of the reference server against the product, started for it on free ports and empty
 * storage. Options that are not named here go to the corpus's runner.
 *
 *     npm run conform -- --area '^log-' --show 10     one process, everything in memory
 *     npm run conform -- --phases                     one process: every area in memory, then the read-only cases again after
 *                                                     a flush, and after compaction
 *     npm run conform -- --cluster                    the same of the separate apps on Kafka, Redis and MinIO
 *
 * --cached turns every cache of results on (the separate apps always have them on), and asks again from them;
 * --cut cuts queries by time and by stream as far as it goes, of data of which half is in the store from the
 * start. --ci runs what a change must pass in little time: of one process the phases as recorded, then cut
 * when half is stored and when all is compacted; from caches is asked in the last phase alone. --keep leaves
 * data and logs where they are.
 *
 * All collections of `collections.ts` are replayed: both directories of cases, and the cases from public bug
 * reports, from memory and flushed. The corpus is looked for in $LOKI_CONFORMANCE, the reports in
 * $LOKI_REPORTS or beside it; without a corpus nothing is run.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { answerHelp, openingComment } from '@loki/command-line';
import { Corpus } from './corpus.ts';
import { OneProcess } from './one-process.ts';
import { Phases } from './phases.ts';
import { SeparateApps } from './separate-apps.ts';
import type { Way } from './ways.ts';

const switches = new Set(['--cluster', '--phases', '--cached', '--cut', '--ci', '--keep']);

async function main(args: readonly string[]): Promise<number> {
  const corpus = Corpus.find();
  if (!corpus) {
    console.log(
      `skipped: no conformance corpus at ${Corpus.directory} (LOKI_CONFORMANCE names another place)`,
    );
    return 0;
  }
  const has = (name: string) => args.includes(name);
  const isCluster = has('--cluster');
  const options: RunOptions = {
    isCluster,
    isInPhases: isCluster || has('--phases') || has('--ci'),
    inCi: has('--ci'),
    keeps: has('--keep'),
    passedOn: args.filter((arg) => !switches.has(arg)),
  };
  const wayOfFlags = { isCached: isCluster || has('--cached') || has('--cut'), isCut: has('--cut') };
  const ways = options.inCi && !isCluster ? [asRecorded, cutAndCached] : [wayOfFlags];
  for (const way of ways) {
    const code = await runOn(corpus, way, options);
    if (code !== 0) return code;
  }
  return 0;
}

interface RunOptions {
  readonly isCluster: boolean;
  readonly isInPhases: boolean;
  readonly inCi: boolean;
  readonly keeps: boolean;
  readonly passedOn: readonly string[];
}

const asRecorded: Way = { isCached: false, isCut: false };
const cutAndCached: Way = { isCached: true, isCut: true };

/** A system that is made for it alone; the exit code. */
async function runOn(corpus: Corpus, way: Way, options: RunOptions): Promise<number> {
  const { isCluster, isInPhases, inCi, keeps, passedOn } = options;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-conform-'));
  const system = await (isCluster ? SeparateApps : OneProcess).make(corpus, directory, way);
  if (!system) return 0;
  const stopping = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const phases = new Phases(corpus, system, { way, passedOn, inCi, directory });
  const run = isInPhases ? phases.all() : phases.first();
  try {
    return await Promise.race([run.then((isWell) => (isWell ? 0 : 1)), stopping.then(() => 130)]);
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await system.stop();
    if (keeps) console.log(`data and logs: ${directory}`);
    else fs.rmSync(directory, { recursive: true, force: true });
  }
}

answerHelp(openingComment(import.meta.filename));
process.exitCode = await main(process.argv.slice(2));
