/** Generates TypeScript from the .proto files. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { grammar } from '@loki/logql';
import type { StoredState } from '@loki/logql';
import { buildTables } from './lalr.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const protoDirectory = path.join(root, 'libs/words/proto/proto');

/** Where the code of the messages lives. */
export const generatedDirectory = path.join(root, 'libs/words/proto/src/generated');
/** Where the states of LogQL's parser live. */
export const parserStatesFile = path.join(root, 'libs/engines/logql/src/generated/parser-states.ts');

/** Writes TypeScript of all messages and services, and their descriptors for reflection, into `directory`. */
export function generate(directory: string): void {
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { recursive: true });
  const template = JSON.stringify({
    version: 'v2',
    inputs: [{ directory: '.', paths: ['lokits'] }],
    plugins: [
      {
        local: path.join(root, 'node_modules/.bin/protoc-gen-ts_proto'),
        out: directory,
        opt: [
          'forceLong=bigint',
          'esModuleInterop=true',
          'importSuffix=.ts',
          'outputServices=generic-definitions',
          'outputJsonMethods=false',
          'outputPartialMethods=false',
          'oneof=unions',
          'enumsAsLiterals=true',
        ],
      },
    ],
  });
  buf(['generate', '--template', template]);
  const descriptors = buf(['build', '.', '--exclude-source-info', '--output', '-']);
  fs.writeFileSync(
    path.join(directory, 'descriptors.ts'),
    `// Generated from libs/words/proto/proto by tools/codegen. DO NOT EDIT.

/** A google.protobuf.FileDescriptorSet of all our .proto files, base64. */
export const fileDescriptorSet =
  '${descriptors.toString('base64')}';
`,
  );
}

function buf(args: readonly string[]): Buffer {
  // buf requires a home for its cache, although it downloads nothing here.
  return execFileSync(process.execPath, [path.join(root, 'node_modules/@bufbuild/buf/bin/buf'), ...args], {
    cwd: protoDirectory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** TypeScript of the states of LogQL's parser. */
export function parserStatesText(): string {
  const states = buildTables(grammar).map(
    ({ shifts, reductions, defaultRule, accepts, gotos }): StoredState => ({
      shifts: [...shifts],
      reductions: [...reductions],
      defaultRule,
      accepts,
      gotos: [...gotos],
    }),
  );
  return `// Generated from libs/engines/logql/src/grammar.ts by tools/codegen. DO NOT EDIT.

import type { StoredState } from '../grammar-spec.ts';

/** All states of the parser; the first is where parsing starts. */
export const storedStates: readonly StoredState[] = [
${states.map((state) => `  ${JSON.stringify(state)},`).join('\n')}
];
`;
}
