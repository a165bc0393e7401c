import YAML from 'yaml';
import type { Command } from './command.ts';
import { convertChart } from './convert-chart.ts';

/** `lokictl chart convert VALUES.yaml` */
export const chartConvert: Command = {
  words: ['chart', 'convert'],
  arguments: ['VALUES.yaml'],
  summary:
    'Writes values of Loki’s own chart (6.x) as values of deploy/helm/loki to its output, and names on the error output each key that has no effect. Data is not moved.',
  flags: [],
  async run({ positional: [file] }, io) {
    const { values, notes } = await convertChart((await io.readFile(file)).toString());
    io.out(YAML.stringify(values));
    for (const note of notes) io.err(`${note}\n`);
    return 0;
  },
};
