/**
 * Protects `npm test`: a file that fails once under load is named and does not fail the run, a file that
 * fails twice does, and jest's options and exit codes stay as they are.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const main = path.join(import.meta.dirname, 'main.ts');
const reporter = path.join(import.meta.dirname, 'failures-reporter.ts');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'run-tests-'));
  const config = { reporters: ['default', reporter], testMatch: ['**/*.check.js'], testEnvironment: 'node' };
  write('jest.config.json', JSON.stringify(config));
  mkdirSync(path.join(directory, 'runs'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(path.join(directory, name), text);
}

/** A file of tests that notes each of its runs, and fails `failures` times. */
function writeTests(name: string, failures: number): void {
  const runs = JSON.stringify(path.join(directory, 'runs', name));
  write(
    `${name}.check.js`,
    `const fs = require('node:fs');
    test('first of ${name}', () => {
      fs.appendFileSync(${runs}, 'x');
      if (fs.readFileSync(${runs}, 'utf8').length <= ${failures}) throw new Error('the fault of ${name}');
    });
    if (fs.existsSync('open')) setTimeout(() => undefined, 1e9);
    test('second of ${name}', () => fs.appendFileSync(${runs} + '-second', 'x'));`,
  );
}

/** How often the file has run. */
function runsOf(name: string): number {
  return readFileSync(path.join(directory, 'runs', name), 'utf8').length;
}

function run(...words: string[]) {
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: '', CI: 'true', FORCE_COLOR: '0' };
  const { status, stderr } = spawnSync(process.execPath, [main, ...words], {
    cwd: directory,
    env,
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status, output: stderr };
}

test('a file that passes when it runs alone is named with its first failure; one that fails again fails the run', () => {
  writeTests('sound', 0);
  writeTests('flaky', 1);
  // A timer that holds each run without --forceExit.
  write('open', '');
  const flaky = run('--forceExit');
  rmSync(path.join(directory, 'open'));
  expect(flaky.output).toContain('FLAKY: flaky.check.js passed when run alone; mend it.');
  expect(flaky.output.split('FLAKY')[1]).toContain('the fault of flaky');
  expect(flaky.status).toBe(0);
  expect([runsOf('sound'), runsOf('flaky')]).toEqual([1, 2]);
  writeTests('broken', 9);
  const broken = run();
  expect(broken.output).toContain('Second run: 0 of 1 failed files passed alone');
  expect(broken.status).toBe(1);
  expect([runsOf('sound'), runsOf('flaky'), runsOf('broken')]).toEqual([2, 3, 2]);
});

test('many files that fail have one cause: no second run', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const name of names) writeTests(name, 1);
  const { status, output } = run();
  expect(status).toBe(1);
  expect(output).not.toContain('alone');
  expect(names.map(runsOf)).toEqual(names.map(() => 1));
});

test('paths and names choose tests, in the second run too; with --bail there is none', () => {
  writeTests('chosen', 2);
  writeTests('other', 9);
  expect(run('chosen', '-t', 'first', '--bail').status).toBe(1);
  expect(runsOf('chosen')).toBe(1);
  expect(run('chosen', '-t', 'first')).toMatchObject({ status: 0 });
  expect(runsOf('chosen')).toBe(3);
  for (const never of ['other', 'chosen-second']) expect(() => runsOf(never)).toThrow('ENOENT');
  expect(run('--no-such-option').status).toBe(1);
});
