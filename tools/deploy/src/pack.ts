/** Writes the KubeSphere extension as a chart: `npm run pack:extension -- DIRECTORY`. */
import { endWithUsageError, readOptions } from '@loki/command-line';
import { packExtension } from './pack-extension.ts';

const { positionals } = readOptions(import.meta.filename, { allowPositionals: true });
const [directory] = positionals;
if (directory === undefined) endWithUsageError('a DIRECTORY is missing');
console.log(packExtension(directory));
