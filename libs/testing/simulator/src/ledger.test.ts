/** Protects: a judge that finds nothing must first prove that it can. */
import { Ledger } from './ledger.ts';
import type { LedgerEntry } from './ledger.ts';

const entry = (line: string, tenant = 'a'): LedgerEntry => ({
  tenant,
  stream: '{app="x"}',
  timestampNs: 1n,
  line,
  metadata: '',
});

describe('the ledger', () => {
  test('is content when each acked entry is read once', () => {
    const ledger = new Ledger();
    ledger.recordAttempt([entry('1'), entry('2')]);
    ledger.answered([entry('1')], 'acked');
    ledger.answered([entry('2')], 'unknown');
    expect(ledger.judge('a', [entry('1')], ledger.acked('a'))).toEqual([]);
    expect(ledger.judge('a', [entry('1'), entry('2')], ledger.acked('a'))).toEqual([]);
  });

  test.each([
    ['lost', []],
    ['double', [entry('1'), entry('1')]],
    ['phantom', [entry('1'), entry('never sent')]],
    ['phantom', [entry('1'), entry('refused')]],
    ['foreign', [entry('1'), { ...entry('of b'), tenant: 'a' }]],
  ])('names what is %s', (kind, read) => {
    const ledger = new Ledger();
    ledger.recordAttempt([entry('1'), entry('refused'), entry('of b', 'b')]);
    ledger.answered([entry('1')], 'acked');
    ledger.answered([entry('refused')], 'rejected');
    expect(ledger.judge('a', read, ledger.acked('a')).map((v) => v.kind)).toEqual([kind]);
  });

  test('a rejected retry does not make an entry a phantom that an earlier attempt may have stored', () => {
    const ledger = new Ledger();
    ledger.recordAttempt([entry('1')]);
    ledger.answered([entry('1')], 'unknown');
    ledger.answered([entry('1')], 'rejected');
    expect(ledger.judge('a', [entry('1')], [])).toEqual([]);
  });

  test('an acked entry stays acked', () => {
    const ledger = new Ledger();
    ledger.recordAttempt([entry('1')]);
    ledger.answered([entry('1')], 'acked');
    ledger.answered([entry('1')], 'unknown');
    expect(ledger.acked('a')).toHaveLength(1);
    expect(ledger.counts()).toEqual({ pending: 0, acked: 1, unknown: 0, rejected: 0 });
  });
});
