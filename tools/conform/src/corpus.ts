/** The recorded requests and answers of a real Loki. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { caseCollections, caseIds, corpusDirectory as directory } from './collections.ts';

interface RunOutcome {
  readonly passed: number;
  /** Ids that fail the run. */
  readonly failed: readonly string[];
  /** Failures of cases that cannot pass there. */
  readonly expected: number;
  /** Failures of collections that are not required. */
  readonly notRequired: number;
}

interface CorpusSettings {
  readonly directory: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly alertmanagerPort: number;
}

/** Data of one tenant of the data set. */
export interface TenantData {
  readonly tenant: string;
  readonly pushes: readonly TenantPush[];
}

export interface TenantPush {
  readonly labels: Readonly<Record<string, string>>;
  /** Nanoseconds since the start of the data, the line, and metadata. */
  readonly entries: readonly (readonly [offsetNs: string | number, line: string, metadata?: unknown])[];
}

/** Recorded requests and answers, with a runner of their own. */
export class Corpus {
  /** Directory of the corpus. */
  static readonly directory: string = directory;

  readonly #idsNotRequired: ReadonlySet<string> = new Set(
    caseCollections.filter(({ isRequired }) => !isRequired).flatMap(caseIds),
  );

  /** Undefined: the corpus is not on this machine. */
  static find(): Corpus | undefined {
    return fs.existsSync(path.join(directory, 'run.mjs')) ? new Corpus() : undefined;
  }

  /** A file of the configuration of the recording. */
  config(file: string, settings: CorpusSettings): string {
    return fs
      .readFileSync(path.join(directory, 'config', file), 'utf8')
      .replaceAll('@DIR@', settings.directory)
      .replaceAll('@HTTP@', String(settings.httpPort))
      .replaceAll('@GRPC@', String(settings.grpcPort))
      .replaceAll('@AM@', String(settings.alertmanagerPort));
  }

  dataset(): TenantData[] {
    const from = path.join(directory, 'dataset');
    return fs
      .readdirSync(from)
      .filter((file) => file.endsWith('.jsonl'))
      .map((file) => ({
        tenant: path.basename(file, '.jsonl'),
        pushes: linesOf(path.join(from, file)).map((line) => JSON.parse(line) as TenantPush),
      }));
  }

  /** Pushes a data set without queries; returns the start of its time, in seconds. */
  async load(
    url: string,
    dataset: string,
    workDirectory: string,
    options: readonly string[],
  ): Promise<string> {
    const cases = path.join(workDirectory, 'load.jsonl');
    const request = { path: '/ready' };
    const ready = { id: 'load', area: 'load', request, compare: 'status', expected: { status: 200 } };
    fs.writeFileSync(cases, `${JSON.stringify(ready)}\n`);
    const result = path.join(workDirectory, 'load.json');
    const { failed } = await this.run(url, result, ['--cases', cases, '--dataset', dataset, ...options]);
    if (failed.length > 0) throw new Error('the data could not be loaded');
    return Corpus.startOf(result);
  }

  /**
   * Sends the cases of `options`, or of all collections, to the server at `url`; prints differences.
   *
   * @param expected cases that cannot pass there, with the reason
   */
  async run(
    url: string,
    jsonFile: string,
    options: readonly string[],
    expected: ReadonlyMap<string, string> = new Map(),
  ): Promise<RunOutcome> {
    fs.rmSync(jsonFile, { force: true });
    const runner = path.join(directory, 'run.mjs');
    const cases = options.includes('--cases')
      ? []
      : caseCollections.flatMap((each) => ['--cases', each.directory]);
    const args = [runner, '--url', url, '--json', jsonFile, ...cases, ...options];
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    await new Promise((resolve) => child.once('exit', resolve));
    // Without a result the runner could not begin, and has printed the reason.
    if (!fs.existsSync(jsonFile)) return { passed: 0, failed: ['all'], expected: 0, notRequired: 0 };
    const answer = JSON.parse(fs.readFileSync(jsonFile, 'utf8')) as Answer;
    const failures = answer.results.filter(({ ok }) => !ok).map(({ id }) => id);
    const unknown = failures.filter((id) => !expected.has(id));
    const failed = unknown.filter((id) => !this.#idsNotRequired.has(id));
    return {
      passed: answer.passed,
      failed,
      expected: failures.length - unknown.length,
      notRequired: unknown.length - failed.length,
    };
  }

  /** The start of a run's data, in seconds: to query the data again. */
  static startOf(jsonFile: string): string {
    return String(BigInt((JSON.parse(fs.readFileSync(jsonFile, 'utf8')) as Answer).t0) / 1_000_000_000n);
  }
}

function linesOf(file: string): string[] {
  return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
}

interface Answer {
  /** Nanoseconds. */
  readonly t0: string;
  readonly passed: number;
  readonly results: readonly { readonly id: string; readonly ok: boolean }[];
}
