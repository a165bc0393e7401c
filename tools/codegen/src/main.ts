/** `npm run codegen`: TypeScript of libs/words/proto/proto, and the states of LogQL's parser. */
import fs from 'node:fs';
import { readOptions } from '@loki/command-line';
import { generate, generatedDirectory, parserStatesFile, parserStatesText } from './generate.ts';

readOptions(import.meta.filename, {});
generate(generatedDirectory);
fs.writeFileSync(parserStatesFile, parserStatesText());
