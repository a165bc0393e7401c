/** Protects: lokictl's words, help texts and exit codes. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

const golden = join(__dirname, '../../../libs/engines/segment/testdata/v1-compacted.segment');

async function lokictl(words: string[], files: Record<string, Buffer> = {}) {
  let [out, err] = ['', ''];
  const code = await run(words, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    pause: () => Promise.resolve(),
    env: () => undefined,
    readFile: async (path) => {
      if (files[path]) return files[path];
      throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' });
    },
  });
  return { code, out, err };
}

describe('lokictl', () => {
  const sound = readFileSync(golden);

  test('inspect prints what a segment holds, as text and as JSON', async () => {
    const text = await lokictl(['segment', 'inspect', 'a'], { a: sound });
    expect(text.code).toBe(0);
    expect(text.out).toContain('a: compacted segment, format version 1');
    expect(text.out).toContain('4 streams, 3 blocks');
    expect(text.out).toMatch(/lines +[\d,]+ +[\d,]+ +\d+\.\d %/);
    const json = await lokictl(['segment', 'inspect', 'a', '--json'], { a: sound });
    const parsed = JSON.parse(json.out) as {
      sizeBytes: number;
      sections: { tenant: string; minNs: string }[];
    };
    expect(parsed.sizeBytes).toBe(sound.length);
    expect(parsed.sections[0]).toMatchObject({ tenant: 'tenant-2', minNs: '-1' });
  });

  test('verify names each damaged file, goes on to the next, and says so by its exit code', async () => {
    const damaged = Buffer.from(sound);
    damaged[30] ^= 1;
    const files = { a: sound, b: damaged, c: sound };
    const { code, out, err } = await lokictl(['segment', 'verify', 'a', 'b', 'c', 'd'], files);
    expect(code).toBe(1);
    expect(out).toMatch(/^a: sound: .*\nc: sound: .*\n$/);
    expect(err).toMatch(/^b: tenant tenant-2: block 1: lines: the checksum does not match\nd: ENOENT.*\n$/);
    expect(await lokictl(['segment', 'verify', '--quiet', 'a'], files)).toEqual({
      code: 0,
      out: '',
      err: '',
    });
  });

  test.each([
    [[], 2, 'out', 'Commands:'],
    [['--help'], 0, 'out', 'lokictl segment verify [FLAGS] PATH...'],
    [['segment', 'inspect', '--help'], 0, 'out', '--json\tprint JSON'],
    [['help', 'segment', 'verify'], 0, 'out', 'Usage: lokictl segment verify'],
    [['segment'], 2, 'err', 'segment needs one of: segment inspect, segment verify'],
    [['fly', 'away'], 2, 'err', 'fly away is not a command'],
    [['segment', 'inspect'], 2, 'err', 'PATH is missing'],
    [['segment', 'inspect', 'a', 'b'], 2, 'err', 'unexpected argument b'],
    [['segment', 'inspect', 'a', '--jsno'], 2, 'err', 'unknown flag --jsno'],
    [['segment', 'inspect', '--json=1', 'a'], 2, 'err', '--json takes no value'],
    [['segment', 'inspect', '--', '--json'], 1, 'err', "open '--json'"],
  ] as const)('%j ends with %i', async (words, code, where, text) => {
    const result = await lokictl([...words]);
    expect(result.code).toBe(code);
    expect(result[where]).toContain(text);
  });
});

test('who has read enough of it closes the pipe, and nobody complains', () => {
  const main = join(__dirname, 'main.ts');
  const node = `"${process.execPath}" --disable-warning=ExperimentalWarning "${main}" help`;
  // The reader is gone before the first word: the rest of the line tells what was complained about, and how
  // it ended.
  const script = `set -o pipefail; { sleep 0.2; ${node} 2>&3; } 3>&1 1>&4 | cat`;
  const complaints = execFileSync(
    'bash',
    ['-c', `exec 4> >(exec true); sleep 0.1; ${script}; echo "code $?"`],
    {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  );
  expect(complaints).toBe('code 0\n');
});
