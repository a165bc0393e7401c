import { FilterProbe, searchFilterKind } from '@loki/segment';
import { mayMeet } from '../pipeline/requirement.ts';
import type { Requirement } from '../pipeline/requirement.ts';
import type { Candidate } from './block-candidates.ts';
import type { ScanContext } from './scan-context.ts';
import type { SectionReader } from './section-reader.ts';

/**
 * Filters read at a time: at first few, for a limit may soon be filled; many as soon as most blocks are ruled
 * out, for then it will not be. These are a request or two, and 16 MiB at most.
 */
const probedFirst = 16;
const probedMax = 512;
/** Segments whose filters are read side by side. */
const readersAtOnce = 16;

/**
 * The blocks whose search filters do not rule them out, some at a time, in the order given. A filter is some
 * 12 KB for a megabyte of lines, and filters of neighbours are read together.
 */
export async function* passingBlocks(
  candidates: readonly Candidate[],
  requirement: Requirement | undefined,
  { stats, checkCancelled }: ScanContext,
  atFirst = probedFirst,
): AsyncGenerator<readonly Candidate[]> {
  if (!requirement) {
    yield candidates;
    return;
  }
  let at = 0;
  try {
    for (let count = atFirst; at < candidates.length;) {
      checkCancelled();
      const batch = candidates.slice(at, at + count);
      at += batch.length;
      const passing = await sieve(batch, requirement);
      const ruledOut = batch.length - passing.length;
      stats.blocksRuledOut += ruledOut;
      stats.blocksSkipped += ruledOut;
      if (passing.length > 0) yield passing;
      count = ruledOut > passing.length ? probedMax : Math.min(count * 4, probedMax);
    }
  } finally {
    // The scan had enough.
    stats.blocksSkipped += candidates.length - at;
  }
}

/** All of them. */
export async function allPassingBlocks(
  candidates: readonly Candidate[],
  requirement: Requirement | undefined,
  context: ScanContext,
): Promise<readonly Candidate[]> {
  if (!requirement) return candidates;
  const passing: Candidate[] = [];
  for await (const batch of passingBlocks(candidates, requirement, context, probedMax)) {
    passing.push(...batch);
  }
  return passing;
}

async function sieve(candidates: readonly Candidate[], requirement: Requirement): Promise<Candidate[]> {
  const byReader = new Map<SectionReader, Candidate[]>();
  for (const candidate of candidates) {
    if (candidate.info.filterKind !== searchFilterKind) continue;
    const group = byReader.get(candidate.reader);
    if (group) group.push(candidate);
    else byReader.set(candidate.reader, [candidate]);
  }
  const ruledOut = new Set<Candidate>();
  const look = async ([reader, group]: [SectionReader, Candidate[]]) => {
    const filters = await reader.filters(group.map(({ info }) => info));
    const { section } = reader;
    group.forEach((candidate, i) => {
      const probe = FilterProbe.of(filters[i]);
      if (probe && !mayMeet(requirement, { probe, section, info: candidate.info })) ruledOut.add(candidate);
    });
  };
  const groups = [...byReader];
  for (let i = 0; i < groups.length; i += readersAtOnce) {
    await Promise.all(groups.slice(i, i + readersAtOnce).map(look));
  }
  return ruledOut.size === 0 ? [...candidates] : candidates.filter((each) => !ruledOut.has(each));
}
