/** Writes the dashboards of deploy/mixin, and the charts' copies of the mixin: `npm run mixin`. */
import fs from 'node:fs';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { inTree, mixinFiles, ownDirectories } from './files.ts';

readOptions(import.meta.filename, {});
const files = mixinFiles();
for (const [file, text] of files) {
  fs.mkdirSync(path.dirname(inTree(file)), { recursive: true });
  fs.writeFileSync(inTree(file), text);
}
for (const directory of ownDirectories) {
  for (const name of fs.readdirSync(inTree(directory))) {
    if (!files.has(`${directory}/${name}`)) fs.rmSync(inTree(`${directory}/${name}`));
  }
}
