/** Rule: time, randomness, timers and environment have one home each. */
import { isAllowed } from './allowances.ts';
import { lineAt } from './tree.ts';
import type { Fault, SourceFile, Tree } from './tree.ts';

interface WorldRule {
  readonly name: string;
  readonly pattern: RegExp;
  readonly text: string;
}

/** Facilities that have one home each; all other files receive them. */
const rules: readonly WorldRule[] = [
  {
    name: 'clock',
    pattern:
      /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|\bperformance\s*\.\s*now\b|\bprocess\s*\.\s*hrtime\b/g,
    text: 'the time comes from ports.Clock',
  },
  {
    name: 'random',
    pattern: /\bMath\s*\.\s*random\b|\brandomUUID\s*\(|\brandomBytes\s*\(/g,
    text: 'randomness comes from ports.Random',
  },
  {
    name: 'timers',
    pattern: /(?<![.\w$])(?:setTimeout|setInterval|setImmediate)\s*\(/g,
    text: 'waiting is done through ports.Timers',
  },
  {
    name: 'environment',
    pattern: /\bprocess\s*\.\s*env\b/g,
    text: 'the environment is read by mains, and handed down',
  },
  { name: 'console', pattern: /(?<![.\w$])console\s*\.\s*\w+/g, text: 'logs go through ports.Logger' },
  {
    name: 'broadcast',
    pattern: /\bnew\s+BroadcastChannel\b/g,
    text: 'its first message loads an HTTP client in each thread; threads report through their pool',
  },
  {
    name: 'eval',
    pattern: /(?<![.\w$])eval\s*\(|\bnew\s+Function\s*\(/g,
    text: 'code is never made from text',
  },
];

/** Time, randomness, timers, environment and patterns of foreign text stay in their homes. */
export function checkWorld(tree: Tree): Fault[] {
  return tree.files
    .filter((file) => !file.isTest)
    .flatMap((file) => [...worldFaults(file), ...patternFaults(file)]);
}

function worldFaults(file: SourceFile): Fault[] {
  const faults: Fault[] = [];
  for (const rule of rules) {
    if (isAllowed(rule.name, file.path) || isTool(file, rule)) continue;
    for (const match of file.code.matchAll(rule.pattern)) {
      const call = match[0].replace(/\s+/g, ' ').replace(/\($/, '');
      faults.push({ path: file.path, line: lineAt(file.text, match.index), text: `${call}: ${rule.text}` });
    }
  }
  return faults;
}

/** Commands print. */
function isTool(file: SourceFile, rule: WorldRule): boolean {
  return rule.name === 'console' && (file.package.startsWith('tools/') || file.package === 'apps/lokictl');
}

/** `new RegExp` of anything but a literal may be a client's pattern, which can stall the process. */
function patternFaults(file: SourceFile): Fault[] {
  if (isAllowed('pattern', file.path)) return [];
  const faults: Fault[] = [];
  for (const match of file.code.matchAll(/(?<![.\w$])RegExp\s*\(\s*/g)) {
    const argument = file.text[match.index + match[0].length];
    if (argument === '"' || argument === "'") continue;
    faults.push({
      path: file.path,
      line: lineAt(file.text, match.index),
      text: 'RegExp of a text made at run time: @loki/regex compiles those in linear time',
    });
  }
  return faults;
}
