/**
 * Protects the process from its own log: a reader that stops, a full disk and a closed pipe cost lines,
 * nothing else.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TimerHandle, Timers } from '@loki/ports';
import { LogOutput } from './log-output.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-log-output-'));
const outputs: LogOutput[] = [];
afterEach(() => outputs.splice(0).forEach((output) => output.close()));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

let retries: (() => void)[] = [];
const timers = {
  after: (_ms: number, work: () => void): TimerHandle => {
    retries.push(work);
    return { cancel: () => undefined };
  },
} as unknown as Timers;

function open(fd: number): LogOutput {
  retries = [];
  const output = new LogOutput({ fd, timers });
  outputs.push(output);
  return output;
}

/** Both ends of a pipe; the reading end does not wait for data. */
function pipe(name: string): { read: number; write: number } {
  const fifo = path.join(directory, name);
  execFileSync('mkfifo', [fifo]);
  const read = fs.openSync(fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  return { read, write: fs.openSync(fifo, 'w') };
}

/** All that waits in a pipe. */
function drain(fd: number): string {
  const parts: Buffer[] = [];
  for (;;) {
    const part = Buffer.alloc(65_536);
    let size: number;
    try {
      size = fs.readSync(fd, part);
    } catch {
      size = 0;
    }
    if (size === 0) return Buffer.concat(parts).toString();
    parts.push(part.subarray(0, size));
  }
}

const line = (n: number) => `${String(n).padEnd(999, '.')}\n`;

test('a reader that stops costs lines beyond the bound; the others arrive whole and in order', () => {
  const { read, write } = pipe('stopped');
  const output = open(write);
  for (let n = 0; n < 5_000; n++) output.write(line(n));
  // 64 KiB stand in the pipe and 1 MiB waits; the lines after them are gone.
  const written = 5_000 - output.droppedCount;
  expect(written).toBeGreaterThan(1_000);
  expect(written).toBeLessThan(1_300);
  let text = '';
  for (let part = drain(read); part !== ''; part = drain(read)) {
    text += part;
    retries.splice(0).forEach((retry) => retry());
  }
  expect(text).toBe(Array.from({ length: written }, (_, n) => line(n)).join(''));
  output.write('again\n');
  expect(drain(read)).toBe('again\n');
});

test('a pipe without a reader loses its lines, and nothing else', () => {
  const { read, write } = pipe('gone');
  const output = open(write);
  fs.closeSync(read);
  output.write('one\n');
  output.write('two\n');
  expect(output.droppedCount).toBe(2);
});

test('a full disk costs lines', () => {
  const output = open(fs.openSync('/dev/full', 'w'));
  output.write('one\n');
  expect(output.droppedCount).toBe(1);
});

test('a file takes all lines, behind those that it has', () => {
  const file = path.join(directory, 'log');
  fs.writeFileSync(file, 'zero\n');
  const output = open(fs.openSync(file, 'a'));
  output.write('one\n');
  output.write('two\n');
  expect(fs.readFileSync(file, 'utf8')).toBe('zero\none\ntwo\n');
  expect(output.droppedCount).toBe(0);
});

test('a socket, as of journald, takes lines', async () => {
  const module = JSON.stringify(path.join(__dirname, 'log-output.ts'));
  const script = `
    const { LogOutput } = await import(${module});
    const timers = { after: (ms, work) => setTimeout(work, ms) };
    const output = new LogOutput({ fd: 2, timers });
    for (const line of ['one', 'two']) output.write(line + '\\n');`;
  // Node gives a child's standard error as a socket.
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' },
  });
  const received: Buffer[] = [];
  child.stderr.on('data', (data: Buffer) => received.push(data));
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
  expect(Buffer.concat(received).toString()).toBe('one\ntwo\n');
});

test('warnings of Node and of worker threads do not end a process whose log is on a full disk', async () => {
  const module = JSON.stringify(path.join(__dirname, 'log-output.ts'));
  const script = `
    const { Worker } = await import('node:worker_threads');
    const { LogOutput } = await import(${module});
    const timers = { after: (ms, work) => setTimeout(work, ms) };
    new LogOutput({ fd: 2, timers });
    process.emitWarning('of the main thread');
    new Worker('process.emitWarning("of a worker")', { eval: true });
    setTimeout(() => process.exit(7), 500);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', fs.openSync('/dev/full', 'w')],
    env: { PATH: process.env['PATH'] },
  });
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(7);
});
