/** Rewrites the few expressions that hold only beside the sources: names of neighbouring files. */
import fs from 'node:fs';
import path from 'node:path';
import type { Plugin } from 'esbuild';
import { lazyPackagePattern, scriptPattern } from './entries.ts';
import type { Entries } from './entries.ts';
import { packageFolderOf } from './inventory.ts';

/**
 * Packages that read files of their own folder, and those folders. None: the path serves texts of errors, or
 * code that is never called here.
 */
const filesRead: ReadonlyMap<string, readonly string[]> = new Map([
  ['grpc-health-check', ['proto']],
  ['@grpc/reflection', ['build/proto/grpc']],
  ['@grpc/grpc-js', []],
  ['ioredis', []],
  ['pino', []],
  ['thread-stream', []],
]);

/** Where those files lie in the product. */
const filesFolder = 'files';

interface ProductPluginOptions {
  readonly outdir: string;
  readonly entries: Entries;
}

/** The name by which code in a bundle knows the product's folder: a banner defines it. */
export const productFolder = 'productFolder';

/**
 * Importing this module reads each of its exports, and one of them loads Node's fetch client, which is not
 * used here: 29 ms of CPU and 3 MB in each thread. `process.getBuiltinModule` returns the module without it.
 */
const httpModule = /^(?:node:)?http$/;
const httpNamespace = 'http-without-fetch';

/**
 * Adapts sources to the product: names of scripts and lazy packages, `__dirname` of packages, Node's `http`
 * without its fetch client.
 */
export function productPlugin({ outdir, entries }: ProductPluginOptions): Plugin {
  return {
    name: 'product',
    setup(build) {
      build.onResolve({ filter: httpModule }, ({ kind }) =>
        kind === 'import-statement' ? { path: 'http', namespace: httpNamespace } : undefined,
      );
      build.onLoad({ filter: httpModule, namespace: httpNamespace }, () => ({
        contents: "module.exports = process.getBuiltinModule('node:http');",
        loader: 'js',
      }));
      build.onLoad({ filter: /\/(?:libs|apps)\/.*\.ts$/ }, (source) => {
        if (source.path.includes('/node_modules/')) return undefined;
        return { contents: productNames(fs.readFileSync(source.path, 'utf8'), source.path), loader: 'ts' };
      });
      build.onLoad({ filter: /\/node_modules\/.*\.c?js$/ }, (source) => {
        const text = fs.readFileSync(source.path, 'utf8');
        if (!text.includes('__dirname')) return undefined;
        return { contents: withFiles(text, source.path), loader: 'js' };
      });
    },
  };

  function productNames(text: string, file: string): string {
    return text
      .replaceAll(scriptPattern, (_, relative: string) => {
        const name = path.basename(relative, '.ts');
        if (entries.scripts.get(name) !== path.resolve(path.dirname(file), relative)) {
          throw new Error(`${file}: ${relative} is no entry of the product`);
        }
        return `new URL('./${name}.js', import.meta.url)`;
      })
      .replaceAll(lazyPackagePattern, (_, name: string) => {
        if (!entries.lazyPackages.has(name)) throw new Error(`${file}: ${name} is no entry of the product`);
        return `createRequire(import.meta.url)('./${lazyFile(name)}')`;
      });
  }

  function withFiles(text: string, file: string): string {
    const folder = packageFolderOf(file)!;
    const name = folder.slice(folder.lastIndexOf('/node_modules/') + '/node_modules/'.length);
    const folders = filesRead.get(name);
    if (folders === undefined) {
      throw new Error(`${file} reads files beside itself: filesRead has to say which of ${name}`);
    }
    for (const each of folders) {
      fs.cpSync(path.join(folder, each), path.join(outdir, filesFolder, name, each), { recursive: true });
    }
    const place = path.posix.join(filesFolder, name, path.relative(folder, path.dirname(file)));
    return text.replaceAll('__dirname', `(${productFolder} + ${JSON.stringify(`/${place}`)})`);
  }
}

/** The file of a package that is loaded at its first use. */
export function lazyFile(name: string): string {
  return `${name.replaceAll('/', '-')}.cjs`;
}
