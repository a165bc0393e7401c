import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Daemon } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import type { Corpus } from './corpus.ts';

export interface RunOptions {
  readonly inCi: boolean;
  /** Data and logs stay. */
  readonly keeps: boolean;
  /** For the corpus's runner. */
  readonly passedOn: readonly string[];
}

const root = path.resolve(import.meta.dirname, '../../..');

/** Every case against one process; 0 when all passed. */
export async function runOne(corpus: Corpus, options: RunOptions): Promise<number> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-conform-'));
  const [httpPort, grpcPort, alertmanagerPort] = await freePorts(3);
  const settings = { directory, httpPort, grpcPort, alertmanagerPort };
  for (const file of ['overrides.yaml', 'loki.yaml'])
    fs.writeFileSync(path.join(directory, file), corpus.config(file, settings));
  const server = new Daemon(
    'server',
    path.join(directory, 'server.log'),
    [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      `-config.file=${directory}/loki.yaml`,
    ],
    { directory: root },
  );
  try {
    server.launch();
    const url = `http://127.0.0.1:${httpPort}`;
    const outcome = await corpus.run(url, path.join(directory, 'result.json'), options.passedOn);
    if (outcome.failed.length > 0)
      console.log(`server log: ${server.logPath}\n${fs.readFileSync(server.logPath, 'utf8').slice(-2000)}`);
    return outcome.failed.length === 0 ? 0 : 1;
  } finally {
    await server.stop();
    if (!options.keeps) fs.rmSync(directory, { recursive: true, force: true });
  }
}
