/** Protects operators who read the flags with a pager: a pager that ends early is no error of the process. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const main = path.join(__dirname, '../../loki/src/main.ts');

test('the first flags of -help are read without an error', () => {
  const command = `"${process.execPath}" --disable-warning=ExperimentalWarning "${main}" -help | head -n 2`;
  const { stdout, stderr } = spawnSync('sh', ['-c', command], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  expect(stdout).toBe('Usage of loki:\n  -auth.enabled bool\n');
  expect(stderr).toBe('');
});
