/**
 * `npm run docs:api`: writes docs/api, a page for each library with all that its index exports.
 * `--to DIRECTORY` writes it there.
 */
import fs from 'node:fs';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { apiPages } from './api-pages.ts';
import { readProduct, root } from './source.ts';

const { values } = readOptions(import.meta.filename, {
  options: { to: { type: 'string', default: path.join(root, 'docs/api') } },
});
const directory = values.to;
const pages = await readProduct(
  (files) => Promise.resolve(apiPages(files)),
  /\.(?:test|fuzz)\.ts$|^apps\/|^tools\//,
);
fs.rmSync(directory, { recursive: true, force: true });
fs.mkdirSync(directory, { recursive: true });
for (const [name, text] of pages) fs.writeFileSync(path.join(directory, name), text);
