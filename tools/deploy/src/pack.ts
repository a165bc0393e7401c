/** Writes the KubeSphere extension as a chart: `npm run pack:extension -- DIRECTORY`. */
import { packExtension } from './pack-extension.ts';

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  console.error('usage: npm run pack:extension -- DIRECTORY');
  process.exitCode = 2;
} else {
  console.log(packExtension(directory));
}
