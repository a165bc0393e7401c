/**
 * Protects the forms that readers rely on and that a program can restore: mended text has them, other text is
 * a fault.
 */
import { checkText, mendText } from './rule-text.ts';
import { sourceFile } from './tree.ts';

test('imports stand by group and name, values of a module before its types, comments with their import', () => {
  const header = '/** Opens the file. */\n';
  const ordered = [
    "import { join } from 'node:path';\n",
    "import { parse } from 'yaml';\n",
    "import { a } from '@loki/model';\n",
    "import type { B } from '@loki/model';\n",
    '// Loads the fixtures.\n',
    "import { far } from '../far.ts';\n",
    "import {\n  near,\n} from './near.ts';\n",
  ];
  const [node, yaml, value, type, comment, far, near] = ordered;
  const disordered = header + near + comment + far + type + '\n' + value + yaml + node + "\nlate('x');\n";
  const mended = header + ordered.join('') + "\nlate('x');\n";
  expect(mendText(disordered)).toBe(mended);
  expect(mendText(mended)).toBe(mended);
});

test('a fault names the first line out of order', () => {
  const text = "import { a } from './a.ts';\nimport { c } from './c.ts';\nimport { b } from './b.ts';\n";
  const file = sourceFile('libs/words/model/src/x.ts', 'libs/words/model', text);
  const faults = checkText({ files: [file], packages: new Map(), pages: [], rootDevDependencies: new Set() });
  expect(faults).toMatchObject([{ path: file.path, line: 2 }]);
});

const wide = (columns: number): string => 'word '.repeat(30).slice(0, columns - 1) + '.';

test.each([
  [
    'one line becomes a block',
    `  /** ${wide(120)} */\n`,
    `  /**\n   * ${wide(120).slice(0, 104)}\n   * word word word.\n   */\n`,
  ],
  [
    'the next line takes what is too much, and an item stays one',
    `/**\n * - ${wide(120)}\n *   And more.\n *\n * - Another.\n */\n`,
    `/**\n * - ${wide(120).slice(0, 104)}\n *   word word word. And more.\n *\n * - Another.\n */\n`,
  ],
  [
    'a tag goes on two columns further in',
    `/**\n * @param x ${wide(110)}\n * @returns y\n */\n`,
    `/**\n * @param x ${wide(110).slice(0, 94)}\n *   word word word.\n * @returns y\n */\n`,
  ],
  [
    'line comments, but not of tools',
    `  // ${wide(110)}\n  // oxlint-disable-next-line ${wide(110)}\n`,
    `  // ${wide(110).slice(0, 104)}\n  // word.\n  // oxlint-disable-next-line ${wide(110)}\n`,
  ],
])('comments end at column 110: %s', (_, text, mended) => {
  expect(mendText(text)).toBe(mended);
  expect(mendText(mended)).toBe(mended);
});

test.each([
  ['code', `call('${'x'.repeat(120)}');\n`],
  ['texts', `const t = \`\n// ${wide(120)}\n\`;\n`],
  ['examples', `/**\n *     ${wide(120)}\n */\n`],
  ['addresses', `// https://${'x'.repeat(120)}\n`],
  ['code in backticks', `// ${'x'.repeat(90)} \`${'y'.repeat(9)} ${'z'.repeat(30)}\`\n`.replace('x ', 'x_')],
])('what stays: %s', (_, text) => {
  expect(mendText(text)).toBe(text);
});
