/**
 * Protects the command that a refused start advises: it must open the store of that process, not another one.
 */
import type { StorageConfig } from '@loki/config';
import { storeWords } from './object-store.ts';

test.each([
  [{ kind: 'filesystem', directory: '/data/chunks', prefix: '' }, '/data/chunks'],
  [{ kind: 'filesystem', directory: '/data/chunks', prefix: '/team/' }, '/data/chunks/team'],
  [{ kind: 'filesystem', directory: "/it's here", prefix: '' }, String.raw`'/it'\''s here'`],
  [{ kind: 's3', prefix: 'team' }, '--config /etc/loki.yaml --expand-env'],
])('%j is %s', (storage, words) => {
  const source = { file: '/etc/loki.yaml', expandsEnv: true };
  expect(storeWords(storage as StorageConfig, source).replace(/\/$/, '')).toBe(words);
});
