/** `npm run codegen`: TypeScript of libs/words/proto/proto, and the states of LogQL's parser. */
import fs from 'node:fs';
import { generate, generatedDirectory, parserStatesFile, parserStatesText } from './generate.ts';

generate(generatedDirectory);
fs.writeFileSync(parserStatesFile, parserStatesText());
