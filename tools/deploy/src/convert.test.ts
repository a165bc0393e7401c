/**
 * Protects the migration from Loki's chart: our chart accepts the output of `lokictl chart convert`
 * unchanged.
 */
import path from 'node:path';
import YAML from 'yaml';
import { configOf, podsOf, render, root, runProgram, testWith } from './test/charts.ts';

testWith('helm4').each([
  ['simple-scalable', 8],
  ['single-binary', 1],
  ['distributed', 8],
])('values of a %s installation render', (mode, workloads) => {
  const file = path.join(root, 'apps/lokictl/testdata/chart', `${mode}.yaml`);
  const main = path.join(root, 'apps/lokictl/src/main.ts');
  const converted = runProgram(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    main,
    'chart',
    'convert',
    file,
  ]);
  const objects = render({ values: YAML.parse(converted) });
  expect(podsOf(objects)).toHaveLength(workloads);
  expect(configOf(objects).limits_config.retention_period).toBeDefined();
});
