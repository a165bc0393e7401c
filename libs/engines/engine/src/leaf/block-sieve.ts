/** Rules out blocks by their search filters before columns are fetched: step *fetch, scan* of a query. */
import { FilterProbe, searchFilterKind } from '@loki/segment';
import { mayMeet } from '../pipeline/requirement.ts';
import type { Requirement } from '../pipeline/requirement.ts';
import type { Candidate } from './block-candidates.ts';
import type { ScanContext } from './scan-context.ts';
import type { SectionReader } from './section-reader.ts';

/**
 * Filters that are read together: few at first, because a limit may be filled soon; many once most blocks are
 * ruled out. They take one or two requests and 16 MiB at most.
 */
const probedFirst = 16;
const probedMax = 512;
/** Segments whose filters are read in parallel. */
const readersAtOnce = 16;

/**
 * Yields the blocks that their search filters do not rule out, in batches, in the given order. A filter takes
 * about 12 KB for a megabyte of lines; filters of neighbouring blocks are read together.
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
    // The scan has ended early.
    stats.blocksSkipped += candidates.length - at;
  }
}

/** All blocks that their search filters do not rule out. */
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
