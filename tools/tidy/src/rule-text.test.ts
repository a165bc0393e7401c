/** Protects the forms that readers rely on and that a program can restore: mended text has them, other text is a fault. */
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
  const faults = checkText({ files: [file], packages: new Map(), rootDevDependencies: new Set() });
  expect(faults).toMatchObject([{ path: file.path, line: 2 }]);
});
