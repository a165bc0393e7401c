/** A place where a rule does not hold, with the reason. */
interface Allowance {
  readonly rule: string;
  /** A file, or a directory with `/` at its end. */
  readonly path: string;
  readonly reason: string;
}

const allowances: readonly Allowance[] = [
  { rule: 'clock', path: 'libs/adapters/runtime/', reason: 'the home of the real clock' },
  { rule: 'timers', path: 'libs/adapters/runtime/', reason: 'the home of the real timers' },
  { rule: 'random', path: 'libs/adapters/runtime/', reason: 'the home of real randomness' },
  {
    rule: 'environment',
    path: 'libs/adapters/runtime/',
    reason: 'the home of threads, which inherit the environment',
  },
  {
    rule: 'environment',
    path: 'libs/wiring/process/',
    reason: 'what mains are made of: hands the environment down',
  },
  {
    rule: 'environment',
    path: 'libs/wiring/launch/',
    reason: 'starts a process anew with settings that it takes from its environment',
  },
  { rule: 'environment', path: 'apps/', reason: 'mains read the environment and hand it down' },
  {
    rule: 'pattern',
    path: 'libs/engines/regex/',
    reason: 'the home of compiled patterns: translated, bounded, linear',
  },
  {
    rule: 'node:v8',
    path: 'libs/engines/regex/src/engines.ts',
    reason: 'switches on V8’s linear engine, once per process',
  },
  {
    rule: 'pattern',
    path: 'libs/words/go/src/parse-time.ts',
    reason: 'made of a layout from a fixed list',
  },
  {
    rule: 'random',
    path: 'libs/adapters/object-store/src/filesystem-object-store.ts',
    reason:
      'names of temporary files in worker threads, which have no port of their own; simulations give one',
  },
  {
    rule: 'clock',
    path: 'libs/testing/virtual/src/guard.ts',
    reason: 'replaces the real one by one that throws',
  },
  {
    rule: 'random',
    path: 'libs/testing/virtual/src/guard.ts',
    reason: 'replaces the real one by one that throws',
  },
  {
    rule: 'timers',
    path: 'libs/testing/virtual/src/guard.ts',
    reason: 'replaces the real ones by ones that throw',
  },
  { rule: 'clock', path: 'libs/testing/test-tools/', reason: 'tests of real processes wait for real' },
  { rule: 'environment', path: 'libs/testing/test-tools/', reason: 'a run of tests says how thorough it is' },
  { rule: 'timers', path: 'libs/testing/test-tools/', reason: 'tests of real processes wait for real' },
  { rule: 'clock', path: 'tools/', reason: 'tools measure and wait for real' },
  { rule: 'timers', path: 'tools/', reason: 'tools measure and wait for real' },
  { rule: 'random', path: 'tools/', reason: 'tools that are not the simulator may draw' },
  { rule: 'environment', path: 'tools/', reason: 'tools are run by hand' },
  { rule: 'pattern', path: 'tools/', reason: 'their patterns are ours' },
  { rule: 'timers', path: 'apps/canary/', reason: 'a main’s own connections, and what keeps it alive' },
  { rule: 'clock', path: 'apps/lokictl/', reason: 'an operator’s command lives in real time' },
];

/** Whether `rule` does not hold in this file. */
export function isAllowed(rule: string, path: string): boolean {
  return allowances.some(
    (each) =>
      each.rule === rule && (each.path === path || (each.path.endsWith('/') && path.startsWith(each.path))),
  );
}
