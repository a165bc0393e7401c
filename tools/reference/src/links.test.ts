/**
 * Protects readers of the pages: a link leads to a file and a heading that are there, a command to a script.
 */
import fs from 'node:fs';
import path from 'node:path';

const root = path.join(__dirname, '../../..');
const skipped = new Set(['node_modules', 'dist', 'data', '.nx', '.git', 'testdata', 'release', 'api']);

function pagesBelow(directory: string): string[] {
  return fs.readdirSync(path.join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(directory, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : pagesBelow(file);
    return entry.name.endsWith('.md') ? [file] : [];
  });
}

const pages = pagesBelow('.');
const textOf = (file: string) => fs.readFileSync(path.join(root, file), 'utf8');
const prose = (file: string) => textOf(file).replaceAll(/^```[^]*?^```/gm, '');

/** GitHub's anchors: lower case, letters and digits alone, spaces as hyphens. */
function anchorsOf(file: string): Set<string> {
  const headings = [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
    text
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set(headings);
}

function brokenLinks(file: string): string[] {
  const links = [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [name, anchor] = link.split('#');
    const target = name === '' ? file : path.posix.join(path.posix.dirname(file), name);
    if (!fs.existsSync(path.join(root, target))) return true;
    return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor);
  });
}

test('each link of each page leads to something', () => {
  expect(pages.length).toBeGreaterThan(40);
  expect(pages.flatMap((file) => brokenLinks(file).map((link) => `${file}: ${link}`))).toEqual([]);
});

test('each question of CONTRIBUTING is answered by three files at most, and its words stand in them', () => {
  const page = textOf('CONTRIBUTING.md');
  const section = page.slice(page.indexOf('## Where is'), page.indexOf('## Recipes'));
  const rows = [...section.matchAll(/^\| where (.*?) \| (.*) \|$/gm)].map(([, question, answer]) => {
    const files = [...answer.matchAll(/\]\(([^)#]+)\)/g)].map(([, file]) => file);
    const words = [...`${question} ${answer}`.matchAll(/`([^`]+)`/g)].map(([, word]) => word);
    const text = files.map(textOf).join('\n');
    return { question, files: files.length, missing: words.filter((word) => !text.includes(word)) };
  });
  expect(rows).toHaveLength(6);
  for (const { question, files, missing } of rows) {
    expect({ question, isShort: files > 0 && files <= 3, missing }).toEqual({
      question,
      isShort: true,
      missing: [],
    });
  }
});

/** A path, or the beginning of one, as `npm test -- PATH` takes it. */
function isBeginningOfPath(text: string): boolean {
  const folder = path.join(root, path.posix.dirname(text));
  const start = path.posix.basename(text);
  return fs.existsSync(folder) && fs.readdirSync(folder).some((name) => name.startsWith(start));
}

test('each path in a command or a table of tests is there', () => {
  const missing = pages.flatMap((file) =>
    [...textOf(file).matchAll(/`([^`\n]+)`/g)].flatMap(([, code]) =>
      code
        .split(/[\s,;"']+/)
        .filter((word) => /^(?:libs|apps|tools)\/[\w./-]+$/.test(word) && !/\/[A-Z]+(?:\/|$)/.test(word))
        .filter((word) => !isBeginningOfPath(word))
        .map((word) => `${file}: ${word}`),
    ),
  );
  expect(missing).toEqual([]);
});

test('each command of npm is a script', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
  const unknown = pages.flatMap((file) =>
    [...textOf(file).matchAll(/npm run (?:-s )?([a-z][\w:]*)/g)]
      .filter(([, name]) => !Object.hasOwn(scripts, name))
      .map(([, name]) => `${file}: npm run ${name}`),
  );
  expect(unknown).toEqual([]);
});

test('the changelog has dated versions, known sections, and each entry once', () => {
  const text = textOf('CHANGELOG.md');
  const headings = [...text.matchAll(/^##+ (.*)$/gm)].map(([, heading]) => heading);
  const known =
    /^(?:\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d|Before you upgrade|Added|Changed|Deprecated|Removed|Fixed|Security)$/;
  expect(headings.filter((heading) => !known.test(heading))).toEqual([]);
  const entries = [...text.matchAll(/^- (.{40,80})/gm)].map(([, entry]) => entry);
  expect(entries.length).toBeGreaterThan(80);
  // A merge of two branches may leave an entry in two places.
  expect(entries.filter((entry, i) => entries.indexOf(entry) !== i)).toEqual([]);
});

test('each tool is on the page of tools', () => {
  const page = textOf('tools/README.md');
  const tools = fs
    .readdirSync(path.join(root, 'tools'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  expect(tools.filter((name) => !page.includes(`| [${name}](${name}/`))).toEqual([]);
});

/**
 * Source files that the stories of ARCHITECTURE link, with the names of their step, or of their story without
 * steps.
 */
function filesOfSteps(): { file: string; names: readonly string[] }[] {
  const stories = [...textOf('ARCHITECTURE.md').matchAll(/^## (The story of a .*)\n([^]*?)(?=^## )/gm)];
  return stories.flatMap(([, story, text]) => {
    const steps = text.split(/^(?=\d+\. \*\*)/m);
    return steps.flatMap((step) => {
      const title = /^\d+\. \*\*(.*?)\*\*/.exec(step)?.[1];
      const names =
        title === undefined
          ? [story.replace('The', 'the')]
          : [title, ...title.split(', ')].map((name) => `*${name}*`);
      return [...step.matchAll(/\]\(((?:libs|apps)\/[^)#]+\.ts)\)/g)].map(([, file]) => ({ file, names }));
    });
  });
}

test('the first comment of each file that a story links names its step', () => {
  const files = filesOfSteps();
  expect(files.length).toBeGreaterThan(40);
  const nameless = files.filter(({ file, names }) => {
    const comment = /^\/\*\*[^]*?\*\//.exec(textOf(file))?.[0] ?? '';
    const sentence = comment.replaceAll(/\s+\*\s+/g, ' ');
    return !names.some((name) => sentence.includes(name));
  });
  expect(nameless.map(({ file, names }) => `${file}: ${names[0]}`)).toEqual([]);
});
