/** Protects a restored backup: no missing, cut or damaged object of a store passes for sound. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PartitionCatalog, sectionsOf } from '@loki/catalog';
import { Labels, loadHash } from '@loki/model';
import { FilesystemObjectStore } from '@loki/object-store';
import { NodeDisk } from '@loki/runtime';
import { encodeSegment, mergeSegments, RowWriter } from '@loki/segment';
import { run } from './run.ts';

const parent = mkdtempSync(join(tmpdir(), 'lokictl-verify-'));
const sound = join(parent, 'sound');
const keys = ['segments/0/0-1-00', 'segments/0/1-2-00'];

/** Two segments of ten rows of tenants `a` and `b`, and their two manifests. */
beforeAll(async () => {
  await loadHash();
  const objectStore = storeIn(sound);
  const catalog = new PartitionCatalog({ objectStore, partition: 0 });
  for (const [offset, key] of keys.entries()) {
    const writer = new RowWriter(offset === 0 ? 'a' : 'b');
    writer.beginRun(Labels.fromPairs([['app', 'x']]));
    for (let row = 0; row < 10; row++) writer.addRowText(1_700_000_000 + row, 0, `line ${row}`);
    writer.endRun();
    const record = encodeSegment(writer.finish(), { kind: 'record' });
    const { bytes } = mergeSegments([{ bytes: record }], { kind: 'flushed' });
    await objectStore.put(key, bytes);
    const segment = { key, sizeBytes: bytes.length, level: 0, sections: sectionsOf(bytes) };
    const place = { startOffset: offset, endOffset: offset + 1, createdMs: 0 };
    await catalog.commit({ ...place, segment, writers: [], drops: [], erased: [] });
  }
});

afterAll(() => rmSync(parent, { recursive: true }));

async function verify(directory: string, ...flags: string[]) {
  let [out, err] = ['', ''];
  const code = await run(['store', 'verify', ...flags, directory], {
    out: (text) => (out += text),
    err: (text) => (err += text),
    readFile: async (path) => readFileSync(path),
    pause: () => Promise.resolve(),
    env: () => undefined,
  });
  return { code, out, err };
}

type Damage = (bytes: Buffer) => Buffer | undefined;

/** A copy of the sound store with one object damaged, or removed when `damage` returns undefined. */
async function damagedCopy(key: string, damage: Damage): Promise<string> {
  const copy = mkdtempSync(join(parent, 'copy-'));
  cpSync(sound, copy, { recursive: true });
  const store = storeIn(copy);
  const damaged = damage(await store.get(key));
  await (damaged === undefined ? store.delete(key) : store.put(key, damaged));
  return copy;
}

function storeIn(directory: string): FilesystemObjectStore {
  return new FilesystemObjectStore({ disk: new NodeDisk(directory) });
}

function flipBit(bytes: Buffer): Buffer {
  bytes[bytes.length >> 1] ^= 1;
  return bytes;
}

test('a sound store prints each segment, and the sum', async () => {
  const { code, out, err } = await verify(sound);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^segments\/0\/0-1-00: sound: 10 rows, \d+ bytes$/m);
  expect(out).toContain(`${sound}: 2 segments, 20 rows, `);
  expect(await verify(sound, '--quiet')).toEqual({ code: 0, out: '', err: '' });
});

test.each([
  ['missing', () => undefined],
  ['cut', (bytes) => bytes.subarray(0, 40)],
  ['flipped', flipBit],
] satisfies [string, Damage][])(
  'a %s segment is named with its tenant, and the other one is sound',
  async (_, damage) => {
    const { code, out, err } = await verify(await damagedCopy(keys[1], damage));
    expect(code).toBe(1);
    expect(out).toMatch(/^segments\/0\/0-1-00: sound/m);
    expect(err).toMatch(/segments\/0\/1-2-00.*\(tenant b\)\n1 of 2 segments are missing or damaged\n$/);
  },
);

test('a damaged manifest is named, and that it hides segments', async () => {
  const manifest = 'catalog/partitions/0/00000000000000000002';
  const { code, err } = await verify(await damagedCopy(manifest, flipBit));
  expect(code).toBe(1);
  expect(err).toMatch(/^damaged: .*00000000000000000002/);
  expect(err).toContain('a damaged catalog hides later segments');
});
