/** `npm run codegen`: TypeScript of libs/words/proto/proto. */
import { generate, generatedDirectory } from './generate.ts';

generate(generatedDirectory);
