import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from './load-config.ts';

// Protects: configuration files as Loki's documentation, charts, images and operators have them start as they
// are, or are refused for the reason that Loki gives (or because their object store is none of ours). Each
// file says on its first line what happens to it, and on its second with which flags.

const directory = join(__dirname, '..', 'testdata', 'loki');
const environment = new Map([
  ['POD_IP', '10.0.0.7'],
  ['HASH_RING_INSTANCE_ADDR', '10.0.0.8'],
  ['AWS_ACCESS_KEY_ID', 'id'],
  ['AWS_ACCESS_KEY_SECRET', 'secret'],
]);

async function verify(text: string) {
  const flags = /^# flags: (.*)$/m.exec(text)?.[1].split(' ') ?? [];
  const loaded = await loadConfig({
    argv: ['-config.file=loki.yaml', '-verify-config', ...flags],
    env: (name) => environment.get(name),
    readText: () => Promise.resolve(text),
    versionText: '',
  });
  if (loaded.kind === 'run') throw new Error('-verify-config never runs');
  return loaded;
}

const files = readdirSync(directory).map(
  (name) => [name, readFileSync(join(directory, name), 'utf8')] as const,
);

test('there are enough of them', () => {
  expect(files.length).toBeGreaterThanOrEqual(80);
});

test.each(files)('%s', async (_name, text) => {
  const { code, stdout, stderr } = await verify(text);
  const refusal = /^# refused: (.*)$/m.exec(text)?.[1];
  if (refusal === undefined) {
    expect(text).toMatch(/^# starts$/m);
    expect({ code, stdout, refusal: code === 0 ? '' : stderr }).toEqual({
      code: 0,
      stdout: 'config is valid\n',
      refusal: '',
    });
    // Each key is known: it works, or a notice tells why it does not.
    expect(stderr).not.toContain('unknown limit');
  } else {
    expect(code).toBe(1);
    expect(stderr).toContain(refusal);
  }
});
