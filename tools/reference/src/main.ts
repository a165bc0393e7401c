/**
 * `npm run docs:reference`: writes docs/reference, and the list of keys without an effect for `-help`; or
 * with `--to DIRECTORY` the same files there.
 */
import fs from 'node:fs';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { configurationPage, idleKeysText, usedKeys } from './configuration-page.ts';
import { errorsPage } from './errors-page.ts';
import { metricsPage } from './metrics-page.ts';
import { routesPage } from './routes-page.ts';
import { readProduct, root } from './source.ts';

const { values } = readOptions(import.meta.filename, {
  options: { to: { type: 'string' } },
});
const directory = values.to ?? path.join(root, 'docs/reference');
const isUsed = await usedKeys();
const configuration = configurationPage(isUsed);
const pages = await readProduct(async (files) => ({
  'configuration.md': configuration,
  'errors.md': errorsPage(files),
  'metrics.md': await metricsPage(files),
  'routes.md': routesPage(),
}));
fs.mkdirSync(directory, { recursive: true });
for (const [name, text] of Object.entries(pages)) fs.writeFileSync(path.join(directory, name), text);
const listDirectory = values.to ?? path.join(root, 'libs/words/config/src');
fs.writeFileSync(path.join(listDirectory, 'idle-keys.json'), idleKeysText(isUsed));
