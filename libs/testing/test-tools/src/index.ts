/** Public exports of the helpers of tests. */
export { certify } from './certificates.ts';
export { expectCost, expectCostGrowth, unitOfCost } from './cost.ts';
export { DashboardClient } from './dashboard-client.ts';
export { eventually, eventuallyHolds } from './eventually.ts';
export { FakeGrafana } from './fake-grafana.ts';
export { freePort, freePorts, isListening } from './free-ports.ts';
export { testGoldenFiles, testTargets } from './fuzz-tests.ts';
export { cutAtEveryByte, flipEveryBit } from './fuzzing/damage.ts';
export { fuzz, inputAt } from './fuzzing/fuzz.ts';
export type { FailedInput } from './fuzzing/fuzz.ts';
export { judge } from './fuzzing/judge.ts';
export { minimise } from './fuzzing/minimise.ts';
export { refusalOf } from './fuzzing/refusals.ts';
export type { FuzzTarget, GoldenFile } from './fuzzing/target.ts';
export { ManualTime } from './manual-time.ts';
export { addSeries, claimText, hasSample, mixinExpressions, sampleClaims } from './mixin-samples.ts';
export { PanelLoad, slowTenant } from './panel-load.ts';
export { casesOf } from './thorough.ts';
