/** Public exports of the canary: its main program, and the ledger for chaos and crash tests. */
export { Canary } from './canary.ts';
export type { Follow } from './canary.ts';
export { FlagError, flagsText, parseFlags } from './flags.ts';
export { Ledger } from './ledger.ts';
export { LedgerChecks } from './ledger-checks.ts';
export { faultsIn, LedgerJudge } from './ledger-judge.ts';
export type { Findings, StreamSelector } from './ledger-judge.ts';
export { LedgerLoad } from './ledger-load.ts';
export type { RequestOutcome as Told } from './ledger-load.ts';
export { runLedger } from './ledger-run.ts';
export { LokiClient } from './loki-client.ts';
export { addressesOf, canaryFlags, headersOf } from './options.ts';
export type { CanaryOptions } from './options.ts';
