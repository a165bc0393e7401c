/**
 * Protects the rendered objects of the charts: every change of an object shows as a change of a file, and
 * Helm 3.16 and 4.1 agree to the letter. `npm run test:deploy -- --update` writes the files anew.
 */
import { render, testWith } from './test/charts.ts';
import type { RenderOptions } from './test/charts.ts';
import { differences, expectGolden, settled, textOf } from './test/golden.ts';

const cases: readonly [name: string, options: RenderOptions, isWhole: boolean][] = [
  ['default', {}, true],
  ['single', { files: ['single'] }, true],
  ['external', { files: ['external'] }, false],
  ['ha', { files: ['ha'] }, false],
  ['zones', { files: ['zones'] }, false],
  ['hpa', { files: ['hpa'] }, false],
  ['keda', { files: ['keda'] }, false],
  ['monitoring', { files: ['monitoring'] }, false],
  ['logging-1.0', { files: ['logging-1.0'] }, false],
];

describe.each(['helm3', 'helm4'] as const)('%s', (helm) => {
  testWith(helm).each(cases)('%s renders as it did', (name, options, isWhole) => {
    const objects = settled(render({ ...options, helm }));
    const text = isWhole
      ? objects.map(textOf).join('---\n')
      : differences(objects, settled(render({ helm })));
    expectGolden(name, text);
  });

  testWith(helm).each(['loki', 'loki-agent', 'undefined'])(
    'a release called %s has the same names',
    (release) => {
      const names = (of: string) =>
        render({ helm, release: of }).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      expect(names(release)).toEqual(names('loki-agent'));
    },
  );
});
