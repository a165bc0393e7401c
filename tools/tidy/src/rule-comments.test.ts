/** Protects readers from comments whose subject is a clause: they cannot be searched for, nor translated. */
import { checkComments } from './rule-comments.ts';
import { sourceFile } from './tree.ts';

function faultsOf(text: string, path = 'libs/words/model/src/a.ts'): string[] {
  const files = [sourceFile(path, 'libs/words/model', text)];
  return checkComments({ files, packages: new Map(), rootDevDependencies: new Set() }).map(
    (fault) => `${fault.line}: ${fault.text}`,
  );
}

test.each([
  ['/** What a row weighs. */', ['1: a comment names its subject: not "What …"']],
  ['\n/**\n * Whoever asks waits.\n */', ['2: a comment names its subject: not "Whoever …"']],
  ['const a = 1; // Nobody reads it.', ['1: a comment names its subject: not "Nobody …"']],
  ['/** The weight of a row: what it holds. Whole rows only. */', []],
  ["const help = 'see // What this is';", []],
])('%s', (text, faults) => {
  expect(faultsOf(text)).toEqual(faults);
});

test('tests may be shorter', () => {
  expect(faultsOf('// What this protects: all.', 'libs/words/model/src/a.test.ts')).toEqual([]);
});
