/** Configuration files, overrides files, scalars of both and references to the environment. */
import { readdirSync, readFileSync } from 'node:fs';
import type { FuzzTarget } from '@loki/test-tools';
import { ConfigError } from './config-error.ts';
import { expandEnv, ExpandError } from './expand-env.ts';
import { loadConfig } from './load-config.ts';
import { readOverrides } from './read-overrides.ts';
import { parseScalar, renderScalar, ScalarError } from './scalars.ts';
import { splitOverrides } from './split-overrides.ts';

const directory = new URL('../testdata/loki/', import.meta.url);
const files = () => readdirSync(directory).map((name) => readFileSync(new URL(name, directory)));
const kinds = ['string', 'bool', 'int', 'float', 'size', 'duration', 'promduration', 'time', 'list'] as const;
const yamlWords = ['&a', '*a', '<<: *a', '!!binary', '!!int', '- ', ': ', '? ', '|', '>-', '---', '...', '%YAML 1.1', '{', '}', '[', ']', '\n  ', '\n', '"', "'", '#', '~', 'null', '{}', '[]']; // prettier-ignore
const overrides =
  'overrides:\n  a: &x\n    ingestion_rate_mb: 4\n    retention_period: 24h\n  b:\n    <<: *x\n    retention_stream:\n      - selector: \'{app="x"}\'\n        priority: 1\n        period: 48h\n  "c-1": {}\nconfigs:\n  a:\n    log_push_request: true\n';

export const targets: readonly FuzzTarget[] = [
  {
    name: 'config-yaml',
    shape: 'text',
    corpus: files,
    words: [
      ...yamlWords,
      'server:',
      'limits_config:',
      'http_listen_port: 3100',
      'schema_config:',
      'storage_config:',
      'common:',
      '${A:-b}',
    ],
    isRefusal: () => false,
    // A start with a file never throws: its faults are an exit with a message.
    run: async (input) => {
      const loaded = await loadConfig({
        argv: ['-config.file=loki.yaml', '-verify-config', '-config.expand-env=true'],
        env: () => undefined,
        readText: async () => input.toString(),
        versionText: '',
      });
      return loaded.kind === 'exit' ? loaded.stderr.slice(0, 60) : 'run';
    },
    // The operator's own file; a large one of overrides is read in a thread of its own.
    cpuMsMax: 1000,
    limitBytes: 64 * 2 ** 20,
  },
  {
    name: 'config-flags',
    shape: 'text',
    corpus: () => [
      '-target=all\n-server.http-listen-port=3100',
      '--log.level=debug\n-config.expand-env',
      '-help',
      '-limits.retention-period\n24h',
      '-x',
    ],
    words: [
      '-target',
      '=',
      '\n',
      '-config.file',
      '-print-config-stderr',
      '--',
      '-ingester.max-chunk-age=2h',
      'true',
      'false',
    ],
    isRefusal: () => false,
    run: async (input) => {
      const loaded = await loadConfig({
        argv: input.toString().split('\n'),
        env: () => undefined,
        readText: async () => undefined,
        versionText: '',
      });
      return loaded.kind === 'exit' ? loaded.stderr.slice(0, 60) : 'run';
    },
  },
  {
    name: 'overrides-yaml',
    shape: 'text',
    corpus: () => [overrides, 'overrides: {}\n', 'overrides:\n  t:\n'],
    words: [...yamlWords, 'overrides:', 'configs:', 'ingestion_rate_mb:', 'max_line_size: 64KB', '  tenant:'],
    isRefusal: (error) => error instanceof ConfigError,
    run: (input) => {
      const text = input.toString();
      splitOverrides(text);
      const request = {
        files: [{ file: 'o.yaml', text }],
        globalValues: new Map(),
        limitContext: { maxReturnedStreamErrors: 10 },
        memo: undefined,
      };
      const tenants: string[] = [];
      const summary = readOverrides(
        request,
        (batch) => void tenants.push(...batch.limits.map(([tenant]) => tenant)),
      );
      const again: string[] = [];
      readOverrides(
        { ...request, memo: summary.memo },
        (batch) => void again.push(...batch.limits.map(([tenant]) => tenant)),
      );
      if (again.join() !== tenants.join()) throw new Error('read with a memo, the tenants differ');
      return tenants.length;
    },
    // The operator's own file; a large one of overrides is read in a thread of its own.
    cpuMsMax: 1000,
    limitBytes: 64 * 2 ** 20,
  },
  {
    name: 'config-scalars',
    shape: 'text',
    corpus: () => [
      '24h',
      '1.5MB',
      '63KiB1023B',
      '5e3',
      '0o17',
      'yes',
      '2024-05-01T00:00:00Z',
      'a,b c',
      '.inf',
      '-9223372036854775808',
    ],
    isRefusal: () => false,
    run: (input) => {
      const text = input.toString();
      let read = 0;
      for (const kind of kinds) {
        try {
          const value = parseScalar(kind, text);
          const shown = renderScalar(kind, value);
          // The values on the configuration page may be written into a file again.
          if (kind === 'size' && parseScalar(kind, String(shown)) !== value) {
            throw new Error(`${String(shown)} is another size`);
          }
          read++;
        } catch (error) {
          if (!(error instanceof ScalarError)) throw error;
        }
      }
      return read;
    },
  },
  {
    name: 'config-environment',
    shape: 'text',
    corpus: () => [
      'a ${A} ${B:-c ${A}} ${#A} ${A^^} ${A:1:2} ${A##*/} ${A%.*} ${A//a/b} ${A/#x/y}',
      '${A=d}',
      '$$ ${',
      '${A:',
    ],
    words: ['${', '}', ':-', '##', '%%', '//', '*', '?', '${A##', '${A%%', '${A:'],
    isRefusal: (error) => error instanceof ExpandError,
    run: (input) =>
      expandEnv(input.toString(), (name) => (name === 'A' ? 'path/to/a.file.txt'.repeat(20) : undefined))
        .length,
  },
];
