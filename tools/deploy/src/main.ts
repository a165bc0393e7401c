/**
 * Checks the charts: brings the programs that it takes, says which cannot be had, and runs the tests here.
 *
 *     npm run test:deploy                      all; arguments go to jest
 *     npm run test:deploy -- --update          writes the golden renders anew
 *
 * Programs are kept in $LOKI_DEPLOY_CACHE, by default ~/.cache/loki-deploy.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { answerHelp, openingComment } from '@loki/command-line';
import { preparePrograms, programsCache } from './programs.ts';

const root = path.resolve(import.meta.dirname, '../../..');

function main(args: readonly string[]): number {
  const programs = preparePrograms(programsCache);
  for (const [name, { missing }] of Object.entries(programs) as [string, { missing: string }][]) {
    if (missing !== '') console.log(`skipped: what ${name} checks: ${missing}`);
  }
  const jestArgs = args.filter((arg) => arg !== '--update');
  const { status } = spawnSync('npx', ['jest', '--config', 'tools/deploy/jest.config.cjs', ...jestArgs], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
      LOKI_DEPLOY_PROGRAMS: JSON.stringify(programs),
      ...(jestArgs.length < args.length ? { LOKI_DEPLOY_UPDATE: '1' } : {}),
    },
  });
  return status ?? 1;
}

answerHelp(openingComment(import.meta.filename));
process.exitCode = main(process.argv.slice(2));
