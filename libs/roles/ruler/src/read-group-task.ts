/**
 * Reads a rule group away from the thread that everybody shares: 1 MiB of YAML, or of queries, take seconds.
 */
import type { Task, Workers } from '@loki/ports';
import { readGroup, RuleTextError } from './read-yaml.ts';
import type { RuleGroup } from './rule-group.ts';
import { checkGroup } from './validate.ts';

/** A fault of the text, which is no error of the task. */
type Outcome = { readonly group: RuleGroup } | { readonly fault: string };

/** Characters that are read at once: some 20 rules, a few milliseconds. */
const inlineCharsMax = 4 * 1024;

/** Text to a group that is checked, or to the fault of the text. */
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
 * A group from its text, checked.
 *
 * @param workers absent: nobody else needs this thread
 * @throws RuleTextError; LokiError `badRequest` for a group that no ruler takes
 */
export async function readCheckedGroup(text: string, workers: Workers | undefined): Promise<RuleGroup> {
  if (!workers || text.length <= inlineCharsMax) return checkGroup(readGroup(text));
  const outcome = await workers.run(readGroupTask, { text });
  if ('fault' in outcome) throw new RuleTextError(outcome.fault);
  return outcome.group;
}
