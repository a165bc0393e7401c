/**
 * Protects developers from stack traces: each program prints its help, and one sentence for a wrong option.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { casesOf } from '@loki/test-tools';

const root = path.resolve(import.meta.dirname, '../../..');

/** The files of the programs that package.json names; jest answers for `npm test`. */
const scripts = Object.values(
  (JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> })
    .scripts,
);
const programs = [...new Set(scripts.flatMap((script) => /\btools\/\S+\.ts/.exec(script) ?? []))].filter(
  (file) => file !== 'tools/test/src/main.ts',
);

interface Ending {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, ...words: string[]): Promise<Ending> {
  const env = { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' };
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...words], { cwd: root, env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

/** Each is two processes: a developer's check starts those of the first few. */
const played = programs.slice(0, casesOf({ few: 4, many: programs.length }));

test('package.json has scripts for the programs', () => {
  expect(programs.length).toBeGreaterThan(20);
});

test.each(played)('%s prints its help', async (file) => {
  const { code, stdout, stderr } = await run(file, '--help');
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain('npm run ');
  expect(stdout).not.toMatch(/^\s+at /m);
});

/** These hand options that they do not know to another program. */
const handOn = ['tools/conform/src/main.ts', 'tools/deploy/src/main.ts'];

test.each(played.filter((file) => !handOn.includes(file)))(
  '%s answers an option that it does not know by one sentence',
  async (file) => {
    const { code, stdout, stderr } = await run(file, '--no-such-option');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^[^\n]*no-such-option[^\n]*\n$/);
  },
);

test('an option whose default is a number takes numbers', async () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'command-line-'));
  const file = path.join(directory, 'program.ts');
  const module = path.join(import.meta.dirname, 'command-line.ts');
  writeFileSync(
    file,
    `/** Counts: \`npm run count\`. */
    import { readOptions } from ${JSON.stringify(module)};
    const { values } = readOptions(import.meta.filename, { options: { rounds: { type: 'string', default: '5' } } });
    console.log(Number(values.rounds) + 1);`,
  );
  try {
    expect(await run(file)).toMatchObject({ code: 0, stdout: '6\n' });
    expect(await run(file, '--rounds', '2')).toMatchObject({ code: 0, stdout: '3\n' });
    expect(await run(file, '--help')).toMatchObject({ code: 0, stdout: 'Counts: `npm run count`.\n' });
    for (const wrong of ['many', '']) {
      const stderr = `--rounds takes a number, not "${wrong}"; --help lists the options\n`;
      expect(await run(file, `--rounds=${wrong}`)).toEqual({ code: 2, stdout: '', stderr });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
