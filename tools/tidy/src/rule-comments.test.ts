/** Protects readers from comments whose subject is a clause: they cannot be searched for, nor translated. */
import { checkComments } from './rule-comments.ts';
import { sourceFile } from './tree.ts';

function faultsOf(text: string, path = 'libs/words/model/src/a.ts'): string[] {
  const isPage = path.endsWith('.md');
  return checkComments({
    files: isPage ? [] : [sourceFile(path, 'libs/words/model', text)],
    pages: isPage ? [{ path, text }] : [],
    packages: new Map(),
    rootDevDependencies: new Set(),
  }).map((fault) => `${fault.line}: ${fault.text}`);
}

test.each([
  ['/** What a row weighs. */', ['1: a sentence names its subject: not "What …"']],
  [
    '/** Waits for so long, and nobody reads it. */',
    ['so long', 'nobody'].map((word) => `1: a sentence names the actor or the number: not "${word}"`),
  ],
  ['/** That it waits is right. */', ['1: a sentence names its subject: not "That …"']],
  ['// A row.\n// That\n// rows are sorted matters.', ['2: a sentence names its subject: not "That …"']],
  ['/**\n * Runs it. @throws the first error\n */', ['2: @throws begins its line']],
  ['/** Runs it. @throws the first error */', []],
  ['/**\n * Runs it; see `a @throws b`.\n *\n * @throws the first error\n */', []],
  ['/** That is why. That limit applies. That process has a name. That one waits. */', []],
  ['// A part of what is free.', ['1: a preposition has a noun: not "of what"']],
  ['/**\n * The answer to\n * who asked.\n */', ['3: a preposition has a noun: not "to who"']],
  ['// Tenants of whom nothing is counted.', ['1: a preposition has a noun: not "of whom"']],
  ['// It says what it holds, and of whose rows.', []],
  ["throw new Error('a part of what is free');", []],
  ['// A reader hears of it.', ['1: not "hears of": say receives, sees']],
  ["throw new Error('it stays for ever'); // At hand.", ['1: not "At hand": say available']],
  ["throw new Error('nobody answers'); // so far", []],
  ['\n/**\n * Whoever asks waits.\n */', ['3: a sentence names its subject: not "Whoever …"']],
  ['const a = 1; // Nobody reads it.', ['1: a sentence names its subject: not "Nobody …"']],
  ['/** A row. What it weighs counts. */', ['1: a sentence names its subject: not "What …"']],
  ['/**\n * A row.\n * Whoever reads it waits.\n */', ['3: a sentence names its subject: not "Whoever …"']],
  ['// A row:\n// Somebody wants it.', ['2: a sentence names its subject: not "Somebody …"']],
  ['/** The weight of a row: what it holds. Whole rows only. */', []],
  ["const help = 'see // What this is';", []],
  ["const help = 'Run it. What follows is text.';", []],
])('%s', (text, faults) => {
  expect(faultsOf(text)).toEqual(faults);
});

test.each(['libs/words/model/src/a.test.ts', 'tools/sim/src/main.ts'])('%s has sentences, too', (path) => {
  expect(faultsOf('// What this protects: all.', path)).toHaveLength(1);
});

test.each([
  ['# What differs', ['1: a sentence names its subject: not "What …"']],
  [
    'A row.\n\nWhoever asks waits. Nobody else.',
    [3, 3].map((line, i) => `${line}: a sentence names its subject: not "${['Whoever', 'Nobody'][i]} …"`),
  ],
  [
    '- What is kept\n  1. Who may read',
    ['1: a sentence names its subject: not "What …"', '2: a sentence names its subject: not "Who …"'],
  ],
  ['A row.\n\n- That the row waits is right.', ['3: a sentence names its subject: not "That …"']],
  ['| a | a part of what is free |', ['1: a preposition has a noun: not "of what"']],
  ['“a part of what is free”: see `of what`. That is all.', []],
  ['| a | What it does |', ['1: a sentence names its subject: not "What …"']],
  ['See [What it found](a.md).', ['1: a sentence names its subject: not "What …"']],
  ['| question | answer |\n| What is a row? | an entry |', []],
  ['`What` is a word of code.\n\n```\nWhat this is\n```\n', []],
  ['The one who asks. It is what it is.', []],
])('a page with %j', (text, faults) => {
  expect(faultsOf(text, 'docs/a.md')).toEqual(faults);
});
