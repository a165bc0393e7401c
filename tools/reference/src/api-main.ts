/**
 * `npm run docs:api`: writes docs/api, a page for each library with all that its index exports.
 * `--to DIRECTORY` writes it there.
 */
import fs from 'node:fs';
import path from 'node:path';
import { apiPages } from './api-pages.ts';
import { readProduct, root } from './source.ts';

const [flag, target] = process.argv.slice(2);
const directory = flag === '--to' ? target : path.join(root, 'docs/api');
const pages = await readProduct(
  (files) => Promise.resolve(apiPages(files)),
  /\.(?:test|fuzz)\.ts$|^apps\/|^tools\//,
);
fs.rmSync(directory, { recursive: true, force: true });
fs.mkdirSync(directory, { recursive: true });
for (const [name, text] of pages) fs.writeFileSync(path.join(directory, name), text);
