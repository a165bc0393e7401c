/**
 * Protects the first query after a start: each thread loads the modules that worker-tasks.ts imports before
 * its first task, and three threads start with the first query.
 */
import fs from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../../..');
const valueImport = /^(?:import|export) (?!type\b)[^;]*?from '([^']+)';/gm;

/** The files and packages that a file imports when it is loaded, with all that these import. */
function loadedBy(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, name] of fs.readFileSync(file, 'utf8').matchAll(valueImport)) {
    if (name.startsWith('.')) loadedBy(path.resolve(path.dirname(file), name), found);
    else if (name.startsWith('@loki/')) {
      found.add(name);
      const folder = fs.realpathSync(path.join(root, 'node_modules', name));
      loadedBy(path.join(folder, 'src/index.ts'), found);
    } else found.add(name);
  }
  return found;
}

test('a thread loads neither code of metrics nor of roles before it knows its first task', () => {
  const loaded = [...loadedBy(path.join(import.meta.dirname, 'worker-tasks.ts'))];
  expect(loaded).toContain('@loki/object-store');
  const heavy = ['@loki/telemetry', '@loki/engine', '@loki/distributor', '@loki/compactor', 'prom-client'];
  expect(loaded.filter((name) => heavy.includes(name))).toEqual([]);
});
