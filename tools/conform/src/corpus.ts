import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const directory = process.env['LOKI_CONFORMANCE'] ?? path.resolve(root, '../shared/conformance');

/** Cases that fail on every system but the recorded one, with the reason. */
const knownEverywhere: ReadonlyMap<string, string> = new Map([
  [
    'metric-range-agg-92014b8f18',
    'the recorded server named an error that came from another case of its run',
  ],
]);

export interface RunOutcome {
  readonly passed: number;
  /** Ids, without those that are known. */
  readonly failed: readonly string[];
  readonly known: number;
}

export interface CorpusSettings {
  readonly directory: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly alertmanagerPort: number;
}

/** Recorded requests and answers, with a runner of their own; undefined: there are none here. */
export class Corpus {
  /** Where it is looked for. */
  static readonly directory: string = directory;

  static find(): Corpus | undefined {
    return fs.existsSync(path.join(directory, 'run.mjs')) ? new Corpus() : undefined;
  }

  /** A file of the configuration that the answers were recorded with. */
  config(file: string, settings: CorpusSettings): string {
    return fs
      .readFileSync(path.join(directory, 'config', file), 'utf8')
      .replaceAll('@DIR@', settings.directory)
      .replaceAll('@HTTP@', String(settings.httpPort))
      .replaceAll('@GRPC@', String(settings.grpcPort))
      .replaceAll('@AM@', String(settings.alertmanagerPort));
  }

  /**
   * Asks the server at `url`; what differs is printed.
   *
   * @param known cases that cannot pass there, with the reason
   */
  async run(
    url: string,
    jsonFile: string,
    options: readonly string[],
    known: ReadonlyMap<string, string> = new Map(),
  ): Promise<RunOutcome> {
    fs.rmSync(jsonFile, { force: true });
    const runner = path.join(directory, 'run.mjs');
    const args = [runner, '--url', url, '--json', jsonFile, ...options];
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    await new Promise((resolve) => child.once('exit', resolve));
    // Without an answer it could not even begin, and has said why.
    if (!fs.existsSync(jsonFile)) return { passed: 0, failed: ['all'], known: 0 };
    const answer = JSON.parse(fs.readFileSync(jsonFile, 'utf8')) as Answer;
    const bad = answer.results.filter(({ ok }) => !ok).map(({ id }) => id);
    const failed = bad.filter((id) => !knownEverywhere.has(id) && !known.has(id));
    return { passed: answer.passed, failed, known: bad.length - failed.length };
  }

  /** The time that a run has put its data at, to ask for them again. */
  static startOf(jsonFile: string): string {
    return (JSON.parse(fs.readFileSync(jsonFile, 'utf8')) as Answer).t0;
  }
}

interface Answer {
  /** Nanoseconds. */
  readonly t0: string;
  readonly passed: number;
  readonly results: readonly { readonly id: string; readonly ok: boolean }[];
}
