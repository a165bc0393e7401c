/** A process has the settings of its memory however it is started, and an operator's own settings stay. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { withSettings } from './memory-settings.ts';

const words = ['node', '--no-warnings', 'main.ts', '-target=all', ''];

test('a command gets the settings once', () => {
  const command = withSettings({ words, env: { HOME: '/root' } }, undefined, 2)!;
  expect(command.words).toEqual(['node', '--max-semi-space-size=4', '--v8-pool-size=2', ...words.slice(1)]);
  expect(command.env).toEqual({
    HOME: '/root',
    MALLOC_ARENA_MAX: '3',
    MALLOC_MMAP_THRESHOLD_: '786432',
    MALLOC_TRIM_THRESHOLD_: '786432',
  });
  expect(withSettings(command)).toBeUndefined();
});

test('an app has its own bound of large buffers', () => {
  const { env } = withSettings({ words, env: {} }, 2 ** 18)!;
  expect(env).toMatchObject({ MALLOC_MMAP_THRESHOLD_: '262144', MALLOC_TRIM_THRESHOLD_: '262144' });
});

// Lines of a decoded block fill a mebibyte less a line: at a bound of 1 MiB none of them went back.
test('the lines of a decoded block return to the system', () => {
  const { env } = withSettings({ words, env: {} })!;
  expect(Number(env['MALLOC_MMAP_THRESHOLD_'])).toBeLessThan(0.9 * 2 ** 20);
});

test('a larger machine has as many helpers as V8 starts by itself, and an arena for each processor', () => {
  const { words: given, env } = withSettings({ words, env: {} }, undefined, 16)!;
  expect(given).toContain('--v8-pool-size=4');
  expect(env['MALLOC_ARENA_MAX']).toBe('17');
});

test('settings of the operator stay', () => {
  expect(withSettings({ words, env: { MALLOC_TRIM_THRESHOLD_: '1' } })).toBeUndefined();
  expect(withSettings({ words, env: { MALLOC_ARENA_MAX: '1' } })!.env['MALLOC_ARENA_MAX']).toBe('1');
  const env = { NODE_OPTIONS: '--max-semi-space-size=64 --v8-pool-size=1' };
  expect(withSettings({ words, env })!.words).toEqual(words);
  const given = ['node', '--max-semi-space-size=64', '--v8-pool-size=1', 'main.ts'];
  expect(withSettings({ words: given, env: {} })!.words).toEqual(given);
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('a program goes on in the same process, with its arguments and input', () => {
  const script = [
    `import { takeMemorySettings } from ${JSON.stringify(path.join(import.meta.dirname, 'memory-settings.ts'))};`,
    `const before = process.env.PID_BEFORE;`,
    `process.env.PID_BEFORE ??= String(process.pid);`,
    `takeMemorySettings();`,
    `const { MALLOC_TRIM_THRESHOLD_: trim } = process.env;`,
    `console.log(JSON.stringify([before === String(process.pid), trim, process.argv.slice(1), process.execArgv.at(0)]));`,
  ].join('\n');
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', script];
  const options = { encoding: 'utf8', env: { PATH: process.env['PATH'] } } as const;
  const printed = execFileSync(process.execPath, [...args, 'an argument', ''], options);
  expect(JSON.parse(printed)).toEqual([true, '786432', ['an argument', ''], '--max-semi-space-size=4']);
});
