/**
 * The recorded answers of the reference server against the product, started for it on free ports and empty storage.
 * Options that are not named here go to the corpus's runner.
 *
 *     npm run conform -- --area '^log-' --show 10     one process
 *     npm run conform -- --cluster                    the separate apps on Kafka, Redis and MinIO: every area, then what
 *                                                     reads again after a flush, and after compaction
 *
 * --ci runs what a change must pass in little time; --keep leaves data and logs where they are. The corpus is looked for
 * in $LOKI_CONFORMANCE; without one nothing is run.
 */
import { runCluster } from './cluster-run.ts';
import { Corpus } from './corpus.ts';
import { runOne } from './one-run.ts';

const switches = new Set(['--cluster', '--ci', '--keep']);

async function main(args: readonly string[]): Promise<number> {
  const corpus = Corpus.find();
  if (!corpus) {
    console.log(
      `skipped: no conformance corpus at ${Corpus.directory} (LOKI_CONFORMANCE names another place)`,
    );
    return 0;
  }
  const options = {
    inCi: args.includes('--ci'),
    keeps: args.includes('--keep'),
    passedOn: args.filter((arg) => !switches.has(arg)),
  };
  return args.includes('--cluster') ? runCluster(corpus, options) : runOne(corpus, options);
}

process.exitCode = await main(process.argv.slice(2));
