/** Reads a rule group in a worker: 1 MiB of YAML, or of queries, takes seconds. */
import type { Task, Workers } from '@loki/ports';
import { readGroup, RuleTextError } from './read-yaml.ts';
import type { RuleGroup } from './rule-group.ts';
import { checkGroup } from './validate.ts';

/** The result of reading; a fault of the text is no error of the task. */
type Outcome = { readonly group: RuleGroup } | { readonly fault: string };

/** Characters that are read on the main thread: some 20 rules, a few milliseconds. */
const inlineCharsMax = 4 * 1024;

/** Text to a checked group, or to the fault of the text. */
export const readGroupTask: Task<{ readonly text: string }, Outcome> = {
  name: 'ruler.readGroup',
  run({ text }) {
    try {
      return { group: checkGroup(readGroup(text)) };
    } catch (error) {
      if (error instanceof RuleTextError) return { fault: error.message };
      throw error;
    }
  },
};

/**
 * Reads and checks a group.
 *
 * @param workers absent: reads on the calling thread
 * @throws RuleTextError; LokiError `badRequest` for an invalid group
 */
export async function readCheckedGroup(text: string, workers: Workers | undefined): Promise<RuleGroup> {
  if (!workers || text.length <= inlineCharsMax) return checkGroup(readGroup(text));
  const outcome = await workers.run(readGroupTask, { text });
  if ('fault' in outcome) throw new RuleTextError(outcome.fault);
  return outcome.group;
}
