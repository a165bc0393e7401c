/** `lokictl chart convert`: values of Loki's chart to values of ours. */
import YAML from 'yaml';
import type { Command } from './command.ts';
import { convertChart } from './convert-chart.ts';

/** `lokictl chart convert VALUES.yaml` */
export const chartConvert: Command = {
  words: ['chart', 'convert'],
  arguments: ['VALUES.yaml'],
  summary:
    'Converts values of Loki’s own chart (6.x) to values of deploy/helm/loki. Prints them, and on the error output each key without effect. Moves no data.',
  flags: [],
  async run({ positional: [file] }, io) {
    const { values, notes } = await convertChart((await io.readFile(file)).toString());
    io.out(YAML.stringify(values));
    for (const note of notes) io.err(`${note}\n`);
    return 0;
  },
};
