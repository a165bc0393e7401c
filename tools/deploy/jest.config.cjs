// Tests of the charts need programs that `npm run test:deploy` brings; the tree's own tests leave them out.
module.exports = {
  ...require('../../jest.config.cjs'),
  testMatch: ['<rootDir>/tools/deploy/src/**/*.test.ts'],
  testPathIgnorePatterns: [],
  setupFilesAfterEnv: [],
  testTimeout: 240_000,
};
