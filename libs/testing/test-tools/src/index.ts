export { certify } from './certificates.ts';
export { eventually, eventuallyHolds } from './eventually.ts';
export { FakeGrafana } from './fake-grafana.ts';
export { freePort, freePorts, isListening } from './free-ports.ts';
export { casesOf } from './thorough.ts';
