/** Runs single rows of a block through the stages of a pipeline. */
import type { Block, Section } from '@loki/segment';
import { BaseResolver } from '../pipeline/base-resolver.ts';
import type { NeededLabels } from '../pipeline/needed-labels.ts';
import type { Pipeline, RowStage } from '../pipeline/pipeline.ts';
import type { Row } from '../pipeline/row.ts';

/** Runs rows of a block through a pipeline, first through its probe if it has one. */
export class RowRunner {
  readonly #pipeline: Pipeline;
  readonly resolver: BaseResolver;
  readonly #probeResolver: BaseResolver | undefined;
  #block!: Block;
  #timestamps!: Float64Array;
  #lines: Buffer | undefined;
  #ends: Uint32Array | undefined;

  constructor(pipeline: Pipeline, needed: NeededLabels) {
    this.#pipeline = pipeline;
    this.resolver = new BaseResolver(needed);
    this.#probeResolver = pipeline.probe && new BaseResolver(pipeline.probe.needed);
  }

  /** Starts a block for stages that read labels only. */
  startBlock(section: Section, block: Block): void {
    this.resolver.startBlock(section, block);
    this.#block = block;
  }

  /** Starts the rows of a block, before `run`. `withLines`: lines are loaded and read. */
  startRows(section: Section, block: Block, withLines: boolean): void {
    this.startBlock(section, block);
    this.#probeResolver?.startBlock(section, block);
    this.#timestamps = block.timestamps();
    this.#lines = withLines ? block.lines() : undefined;
    this.#ends = withLines ? block.lineEnds() : undefined;
  }

  /** Loads row `at` of a stream into `row` and runs the stages. False: the row is dropped. */
  run(row: Row, stream: number, at: number): boolean {
    const { probe, stages } = this.#pipeline;
    if (probe) {
      this.#fill(row, this.#probeResolver!, stream, at);
      if (!passes(row, probe.stages)) return false;
    }
    this.#fill(row, this.resolver, stream, at);
    return passes(row, stages);
  }

  #fill(row: Row, resolver: BaseResolver, stream: number, at: number): void {
    row.reset(resolver.base(stream, at), this.#block.info.baseNs, this.#timestamps[at]);
    if (this.#lines) row.setLine(this.#lines, at === 0 ? 0 : this.#ends![at - 1], this.#ends![at]);
  }
}

function passes(row: Row, stages: readonly RowStage[]): boolean {
  for (let i = 0; i < stages.length; i++) if (!stages[i].run(row)) return false;
  return true;
}
