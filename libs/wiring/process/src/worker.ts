/** A worker thread's entry; as in main.ts, everything is loaded behind the compile cache. */
import { enableCompileCache } from 'node:module';

enableCompileCache();
const { serve } = await import('./worker-tasks.ts');
serve();
