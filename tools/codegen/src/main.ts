/** `npm run codegen`: TypeScript of libs/proto/proto. */
import { generate, generatedDirectory } from './generate.ts';

generate(generatedDirectory);
