// One configuration for every project: sources stay ESM on disk and are compiled to CommonJS in memory,
// so that jest.mock is hoisted and ESM-only packages still load (NODE_OPTIONS=--experimental-vm-modules).
module.exports = {
  rootDir: __dirname,
  testMatch: ['<rootDir>/{apps/*,libs/*/*,tools/*}/src/**/*.test.ts'],
  // They need programs of their own: npm run test:deploy.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/tools/deploy/'],
  // Bundles and data of development are no sources.
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/data/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript', dynamicImport: true }, target: 'es2024' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  extensionsToTreatAsEsm: [],
  setupFilesAfterEnv: ['<rootDir>/jest.setup.cjs'],
  testEnvironment: 'node',
  // `npm test` runs the files that failed once more, alone.
  reporters: ['default', '<rootDir>/tools/test/src/failures-reporter.ts'],
  // For hangs alone: a slow machine with other load needs many times as long as a quiet one, and longer lists of
  // seeds need as many times more.
  testTimeout: process.env.LOKI_TEST_THOROUGH === undefined ? 240_000 : 900_000,
  // All cores: jest alone would leave one of two idle.
  maxWorkers: '100%',
};
