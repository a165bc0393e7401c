/**
 * Prints what a head of many streams counts and what it holds: heap and buffers after a collection, in a
 * process of its own. Arguments: streams, and how often each is pushed.
 */
import { Labels, loadHash } from '@loki/model';
import { encodeSegment, RowWriter } from '@loki/segment';
import { collectGarbage } from '@loki/test-tools';
import { HeadRecord } from '../head/head-record.ts';
import { Head } from '../head/head.ts';
import { openRecord, shared } from '../record-parts.ts';
import { hasher } from './records.ts';

const streamsOfRecord = 1_000;

/** A push of streams with labels as Kubernetes' pods have them: one of them is the stream's own. */
function recordOf(first: number, round: number): Buffer {
  const writer = new RowWriter('tenant');
  for (let stream = first; stream < first + streamsOfRecord; stream++) {
    writer.beginRun(
      Labels.fromPairs([
        ['app', `app-${stream % 200}`],
        ['cluster', `cluster-${stream % 3}`],
        ['container', `container-${stream % 20}`],
        ['namespace', `ns-${stream % 50}`],
        ['pod', `pod-${stream}`],
      ]),
    );
    writer.addRowText(1_700_000_000 + round, stream, `request ${stream} took ${stream % 97} ms`);
    writer.endRun();
  }
  return encodeSegment(writer.finish(), { kind: 'record' });
}

function fill(head: Head, streams: number, rounds: number): void {
  let offset = 0;
  for (let round = 0; round < rounds; round++) {
    for (let first = 0; first < streams; first += streamsOfRecord) {
      const record = new HeadRecord(offset++, openRecord(shared(recordOf(first, round))), 0);
      head.add(record);
      record.close();
    }
  }
}

function heldBytes(): number {
  for (let i = 0; i < 4; i++) collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

await loadHash();
const [streams, rounds] = process.argv.slice(2).map(Number);
// Code and tables of the process are there before.
fill(new Head(hasher()), 2 * streamsOfRecord, 2);
const beforeBytes = heldBytes();
const head = new Head(hasher());
fill(head, streams, rounds);
console.log(JSON.stringify([heldBytes() - beforeBytes, head.memoryBytes]));
