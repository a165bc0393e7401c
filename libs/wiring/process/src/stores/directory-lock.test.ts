/**
 * Protects data directories from a second process in any environment: 110 of 210 acknowledged lines
 * survived one.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { lockDirectories } from './directory-lock.ts';

let parent: string;
beforeEach(() => (parent = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-lock-'))));
afterEach(() => fs.rmSync(parent, { recursive: true, force: true }));

const locked = (paths: readonly string[]): (() => void) =>
  lockDirectories(paths.map((one) => ({ path: one, flag: 'common.path-prefix' })));

const inParent = (...names: string[]): string[] => names.map((name) => path.join(parent, name));

test('a directory is one holder’s until that lets go', () => {
  const [directory] = inParent('data');
  const unlock = locked([directory]);
  expect(() => locked([directory])).toThrow(
    `${directory} is in use by another process: choose another one with -common.path-prefix`,
  );
  unlock();
  locked([directory])();
});

test('a lock that fails leaves none of the others behind', () => {
  const [data, log] = inParent('data', 'log');
  const unlockLog = locked([log]);
  expect(() => locked([data, log])).toThrow(`${log} is in use`);
  locked([data])();
  unlockLog();
});

test('a link to a directory is the same lock', () => {
  const [data, link] = inParent('data', 'link');
  fs.mkdirSync(data);
  fs.symlinkSync(data, link);
  const unlock = locked([link, data]);
  expect(() => locked([data])).toThrow('is in use');
  unlock();
});

test('a directory inside another one is kept from a second process that is given it alone', () => {
  const [data, log] = inParent('data', 'data/write-log');
  const unlock = locked([data, log]);
  expect(() => locked([log])).toThrow(`${log} is in use by another process`);
  unlock();
  locked([log])();
});

test('a lock takes no room, so that a process starts on a full disk too', () => {
  const [directory] = inParent('data');
  const unlock = locked([directory]);
  const sizes = fs.readdirSync(directory).map((name) => fs.statSync(path.join(directory, name)).size);
  expect(sizes).toEqual([0]);
  unlock();
});

test('a directory that cannot be locked is named', () => {
  const [directory] = inParent('data');
  fs.mkdirSync(path.join(directory, '.loki.lock'), { recursive: true });
  expect(() => locked([directory])).toThrow(`${directory} cannot be locked: `);
});

test('a killed process with another temporary directory held it, and holds it no more', async () => {
  const [directory, temporary] = inParent('data', 'tmp');
  fs.mkdirSync(temporary);
  const module = JSON.stringify(path.join(__dirname, 'directory-lock.ts'));
  const script = `
    const { lockDirectories } = await import(${module});
    lockDirectories([${JSON.stringify({ path: directory, flag: 'common.path-prefix' })}]);
    process.stdout.write('locked');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], TMPDIR: temporary, NODE_NO_WARNINGS: '1' },
  });
  await once(holder.stdout, 'data');
  expect(() => locked([directory])).toThrow('is in use by another process');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  locked([directory])();
});
