/** Compares a rendered chart with its golden file. */
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { nameOf, testdata } from './charts.ts';
import type { KubeObject } from './charts.ts';

const isUpdating = process.env['LOKI_DEPLOY_UPDATE'] === '1';

/**
 * Objects in an order that no Helm decides, without the passwords that each render makes up and the
 * dashboards, which are files of the mixin.
 */
export function settled(objects: readonly KubeObject[]): KubeObject[] {
  return objects
    .map((object) => {
      const isDashboard = Object.keys(object.data ?? {}).some((name) => name.endsWith('.json'));
      return object.kind === 'Secret' || isDashboard ? masked(object) : object;
    })
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

function masked(object: KubeObject): KubeObject {
  const data = Object.fromEntries(Object.keys(object.data ?? {}).map((key) => [key, '…']));
  return { ...object, data };
}

/**
 * Differences to another render: objects that are new or changed, in full, and names of those that are not
 * there.
 */
export function differences(objects: readonly KubeObject[], base: readonly KubeObject[]): string {
  const texts = new Map(base.map((object) => [nameOf(object), textOf(object)]));
  const names = new Set(objects.map(nameOf));
  const absent = base.map(nameOf).filter((name) => !names.has(name));
  const changed = objects.filter((object) => texts.get(nameOf(object)) !== textOf(object));
  return [`# absent: ${absent.join(', ') || 'none'}\n`, ...changed.map(textOf)].join('---\n');
}

export function textOf(object: KubeObject): string {
  return YAML.stringify(object, { sortMapEntries: true, lineWidth: 0 });
}

/** Compares a text with the golden one, or writes that anew with --update. */
export function expectGolden(name: string, text: string): void {
  const file = path.join(testdata, 'golden', `${name}.yaml`);
  if (isUpdating) fs.writeFileSync(file, text);
  expect(text).toBe(fs.readFileSync(file, 'utf8'));
}
