/** Protects readers: generated code is what its sources say. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { generate, generatedDirectory, parserStatesFile, parserStatesText } from './generate.ts';

test('the generated code is that of the .proto files', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codegen-'));
  try {
    generate(directory);
    expect(filesOf(directory)).toEqual(filesOf(generatedDirectory));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test('the states of the parser are those of the grammar', () => {
  expect(fs.readFileSync(parserStatesFile, 'utf8')).toBe(parserStatesText());
});

function filesOf(directory: string): Record<string, string> {
  const names = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => fs.statSync(path.join(directory, name)).isFile());
  expect(files).toContain('descriptors.ts');
  return Object.fromEntries(files.map((name) => [name, fs.readFileSync(path.join(directory, name), 'utf8')]));
}
