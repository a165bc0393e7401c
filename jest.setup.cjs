// Label hashes come from a WebAssembly module that compiles asynchronously; mains load it first, so do tests.
beforeAll(async () => {
  const { loadHash } = require('@loki/model');
  await loadHash();
});

// Properties draw the same inputs in every run, so that a change fails by its own fault alone. LOKI_TEST_SEED draws
// others; `npm run fuzz` looks for new ones.
jest.mock('fast-check', () => {
  const fastCheck = jest.requireActual('fast-check');
  fastCheck.configureGlobal({ seed: Number(process.env.LOKI_TEST_SEED ?? 1) });
  return fastCheck;
});

// A simulation that ran out of time leaves the guard of its world behind. These two objects are shared by all test
// files of a worker: without this, each file after it would fail too.
const now = Reflect.get(performance, 'now');
const timeout = Reflect.get(AbortSignal, 'timeout');
afterAll(() => {
  performance.now = now;
  AbortSignal.timeout = timeout;
});
