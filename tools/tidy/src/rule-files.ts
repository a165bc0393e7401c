/** Rule: sizes and names of files. */
import type { Fault, Tree } from './tree.ts';

/** Beyond this a file is two things. */
const linesMax = 600;

const kebabCase = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.fuzz)?(?:\.(?:test|bench))?\.ts$/;
const kebabDirectory = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Sizes and names. */
export function checkFiles(tree: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const file of tree.files) {
    const lines = file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0);
    if (lines > linesMax) {
      faults.push({
        path: file.path,
        line: linesMax + 1,
        text: `${lines} lines; ${linesMax} are the most: split it`,
      });
    }
    const parts = file.path.slice(file.package.length + 1).split('/');
    const name = parts.pop()!;
    if (!kebabCase.test(name)) faults.push({ path: file.path, line: 1, text: 'file names are kebab-case' });
    if (parts.some((part) => !kebabDirectory.test(part))) {
      faults.push({ path: file.path, line: 1, text: 'directory names are kebab-case' });
    }
    if (name === 'index.ts' && parts.join('/') !== 'src') {
      faults.push({ path: file.path, line: 1, text: 'one index per package, in src' });
    }
  }
  return faults;
}
