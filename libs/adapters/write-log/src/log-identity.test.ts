/** Protects the identity of a log: a restart that drew a new one would be refused by its own store. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk, NodeRandom } from '@loki/runtime';
import { readLogIdentity } from './log-identity.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'loki-identity-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const read = () => readLogIdentity(new NodeDisk(join(directory, 'log')), new NodeRandom());

test('is drawn once for a directory, and another one for another', async () => {
  const first = await read();
  expect(first).toMatch(/^[0-9a-f]{32}$/);
  expect(await read()).toBe(first);
  expect(readdirSync(join(directory, 'log'))).toEqual(['identity']);
  rmSync(join(directory, 'log'), { recursive: true });
  expect(await read()).not.toBe(first);
});

test('a file that a crash left unfinished is drawn anew', async () => {
  await read();
  rmSync(join(directory, 'log/identity'));
  writeFileSync(join(directory, 'log/identity.tmp'), 'ab');
  expect(await read()).toMatch(/^[0-9a-f]{32}$/);
});

test.each(['', 'abc', `${'A'.repeat(32)}\n`])(
  'a file that says %j is refused: the store belongs to what it said',
  async (text) => {
    await read();
    writeFileSync(join(directory, 'log/identity'), text);
    await expect(read()).rejects.toMatchObject({ code: 'corrupt' });
  },
);
