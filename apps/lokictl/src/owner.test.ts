/**
 * Protects the way out of a refusal: the mark of a store's owner is shown and moved without a running
 * process.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnerMark } from '@loki/catalog';
import { FilesystemObjectStore } from '@loki/object-store';
import { NodeDisk } from '@loki/runtime';
import { run } from './run.ts';

const directory = mkdtempSync(join(tmpdir(), 'lokictl-owner-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function lokictl(...words: string[]) {
  let [out, err] = ['', ''];
  const code = await run(words, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    readFile: () => Promise.reject(new Error('nothing is read')),
    pause: () => Promise.resolve(),
    env: () => undefined,
  });
  return { code, out, err };
}

test('a mark is shown, moved, and not moved to what is no log', async () => {
  const [a, b] = ['a'.repeat(32), 'b'.repeat(32)];
  const store = new FilesystemObjectStore({ disk: new NodeDisk(directory) });
  await store.put('catalog/partitions/0/00000000000000000001', Buffer.from('a'));
  expect(await lokictl('owner', 'show', directory)).toMatchObject({
    code: 1,
    out: `no embedded write log owns the store in ${directory}\n`,
  });
  await new OwnerMark(store).claim({ logId: a, place: 'host-a:/data', sinceMs: 0 });
  expect(await lokictl('owner', 'show', directory)).toEqual({
    code: 0,
    out: `${a}  host-a:/data  since 1970-01-01T00:00:00.000Z\n`,
    err: '',
  });
  for (const wrong of ['', 'b', b.toUpperCase()]) {
    expect((await lokictl('owner', 'move', '--to', wrong, directory)).code).toBe(2);
  }
  expect((await lokictl('owner', 'move', '--to', b, directory)).out).toBe(
    `the store in ${directory} belongs to ${b} now, to ${a} (host-a:/data) before\n`,
  );
  expect((await lokictl('owner', 'move', '--to', b, directory)).out).toContain('already');
  expect(JSON.parse((await lokictl('owner', 'show', '--json', directory)).out)).toMatchObject({ logId: b });
});
