/** `npm run docs:reference`: writes docs/reference, or with `--to DIRECTORY` the same files there. */
import fs from 'node:fs';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { configurationPage } from './configuration-page.ts';
import { errorsPage } from './errors-page.ts';
import { metricsPage } from './metrics-page.ts';
import { routesPage } from './routes-page.ts';
import { readProduct, root } from './source.ts';

const { values } = readOptions(import.meta.filename, {
  options: { to: { type: 'string', default: path.join(root, 'docs/reference') } },
});
const directory = values.to;
const configuration = await configurationPage();
const pages = await readProduct(async (files) => ({
  'configuration.md': configuration,
  'errors.md': errorsPage(files),
  'metrics.md': await metricsPage(files),
  'routes.md': routesPage(),
}));
fs.mkdirSync(directory, { recursive: true });
for (const [name, text] of Object.entries(pages)) fs.writeFileSync(path.join(directory, name), text);
