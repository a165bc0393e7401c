/** A numbered log to which many callers add at the same time: step *commit* of a stored day. */
import { abortable } from './abortable.ts';
import { NumberedLog } from './numbered-log.ts';

type Make<Manifest> = (number: number) => Manifest | undefined;

interface Waiting<Manifest> {
  readonly make: Make<Manifest>;
  readonly completion: PromiseWithResolvers<Manifest | undefined>;
}

/** Maximum of changes in one manifest: every reader of the log reads it. */
const groupMax = 64;

/**
 * Changes that arrive while a manifest is being created share the next one. A store creates some ten objects
 * of a log in a second, one after another, and concurrent compactors have more changes than that.
 */
export class GroupedLog<Manifest> extends NumberedLog<Manifest> {
  readonly #join: (manifests: readonly Manifest[]) => Manifest | undefined;
  #waiting: Waiting<Manifest>[] = [];
  #isCommitting = false;

  /** @param join one manifest with the changes of all; undefined: they cannot stand in one */
  constructor(
    options: ConstructorParameters<typeof NumberedLog<Manifest>>[0],
    join: (manifests: readonly Manifest[]) => Manifest | undefined,
  ) {
    super(options);
    this.#join = join;
  }

  override async append(make: Make<Manifest>, signal?: AbortSignal): Promise<Manifest | undefined> {
    signal?.throwIfAborted();
    const waiting: Waiting<Manifest> = { make, completion: Promise.withResolvers() };
    this.#waiting.push(waiting);
    if (!this.#isCommitting) void this.#commitAll();
    const { promise } = waiting.completion;
    // A caller that aborts does not abort the commit of the others. Its own change may be committed, as after
    // a lost answer.
    await abortable(
      promise.then(() => undefined),
      signal,
    );
    return promise;
  }

  /** Never rejects. */
  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    // Calls of the same turn share the first manifest.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit(this.#waiting.splice(0, groupMax));
    this.#isCommitting = false;
  }

  /** Settles each change of the group, or leaves it pending for the next manifest. */
  async #commit(group: readonly Waiting<Manifest>[]): Promise<void> {
    let members: Waiting<Manifest>[] = [];
    let postponed: Waiting<Manifest>[] = [];
    const failed = new Map<Waiting<Manifest>, unknown>();
    const make = (number: number): Manifest | undefined => {
      members = [];
      postponed = [];
      failed.clear();
      let joint: Manifest | undefined;
      for (const waiting of group) {
        let own: Manifest | undefined;
        try {
          own = waiting.make(number);
        } catch (error) {
          failed.set(waiting, error);
          continue;
        }
        if (own === undefined) continue;
        const next = joint === undefined ? own : this.#join([joint, own]);
        if (next === undefined) {
          postponed.push(waiting);
          continue;
        }
        joint = next;
        members.push(waiting);
      }
      return joint;
    };
    try {
      const manifest = await super.append(make);
      for (const waiting of group) {
        if (postponed.includes(waiting)) continue;
        if (failed.has(waiting)) waiting.completion.reject(failed.get(waiting));
        else waiting.completion.resolve(members.includes(waiting) ? manifest : undefined);
      }
      this.#waiting = [...postponed, ...this.#waiting];
    } catch (error) {
      // The store may have the manifest nevertheless: each caller repeats its append, and recognises its own
      // change.
      for (const waiting of group) waiting.completion.reject(failed.get(waiting) ?? error);
    }
  }
}
