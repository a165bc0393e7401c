/**
 * During a simulation the real clock, timers and randomness throw: the first seed that reaches them finds
 * code that does not use `libs/words/ports`. Returns the function that lifts the guard. Nested guards are
 * refused.
 */
export function guardRealWorld(): () => void {
  if (lift) throw new Error('another simulation still runs here: did its test run out of time?');
  const real = {
    Date: globalThis.Date,
    random: Math.random,
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    setImmediate: globalThis.setImmediate,
    performanceNow: Reflect.get(performance, 'now') as typeof performance.now,
    abortTimeout: Reflect.get(AbortSignal, 'timeout') as typeof AbortSignal.timeout,
  };
  const refuse = (name: string) => (): never => {
    throw new Error(`${name} reached in simulation: use libs/words/ports`);
  };
  globalThis.Date = guardedDate(real.Date);
  Math.random = refuse('Math.random');
  globalThis.setTimeout = refuse('setTimeout') as unknown as typeof setTimeout;
  globalThis.setInterval = refuse('setInterval') as unknown as typeof setInterval;
  globalThis.setImmediate = refuse('setImmediate') as unknown as typeof setImmediate;
  performance.now = refuse('performance.now');
  AbortSignal.timeout = refuse('AbortSignal.timeout');
  lift = () => {
    lift = undefined;
    globalThis.Date = real.Date;
    Math.random = real.random;
    globalThis.setTimeout = real.setTimeout;
    globalThis.setInterval = real.setInterval;
    globalThis.setImmediate = real.setImmediate;
    performance.now = real.performanceNow;
    AbortSignal.timeout = real.abortTimeout;
  };
  return lift;
}

let lift: (() => void) | undefined;

/** Dates of a given moment are pure; those that read the time throw. */
function guardedDate(real: DateConstructor): DateConstructor {
  return new Proxy(real, {
    construct(target, args, newTarget) {
      if (args.length === 0) throw new Error('new Date() reached in simulation: use libs/words/ports');
      return Reflect.construct(target, args, newTarget) as object;
    },
    apply() {
      throw new Error('Date() reached in simulation: use libs/words/ports');
    },
    get(target, name, receiver) {
      if (name === 'now') {
        return () => {
          throw new Error('Date.now reached in simulation: use libs/words/ports');
        };
      }
      return Reflect.get(target, name, receiver) as unknown;
    },
  });
}
