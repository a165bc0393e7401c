/** The shared surroundings of the Kubernetes checks. */
import type { Checks } from '@loki/image';
import type { ControlPlane } from './control-plane.ts';
import type { Helm } from './release.ts';

/** The services that every check uses. */
export interface World {
  readonly checks: Checks;
  readonly plane: ControlPlane;
  readonly helm: Helm;
  /** Of the account. */
  readonly kubeconfig: string;
  /** Few cases, for a run of three minutes. */
  readonly isBrief: boolean;
  /** Ends processes that a check has started; an interrupted run calls them, too. */
  readonly ends: (() => Promise<void> | void)[];
}

/** In the reverse order of their starts; the failure of one does not stop the others. */
export async function endAll(ends: World['ends']): Promise<void> {
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
    try {
      await end();
    } catch (error) {
      console.error(error);
    }
  }
}
