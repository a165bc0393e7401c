// Label hashes come from a WebAssembly module that compiles asynchronously; mains load it first, so do tests.
beforeAll(async () => {
  const { loadHash } = require('@loki/model');
  await loadHash();
});
