import type { Checks } from '@loki/image';
import type { ControlPlane } from './control-plane.ts';
import type { Helm } from './release.ts';

/** What every check needs. */
export interface World {
  readonly checks: Checks;
  readonly plane: ControlPlane;
  readonly helm: Helm;
  /** Of the account. */
  readonly kubeconfig: string;
  /** Few cases, for a run of three minutes. */
  readonly isBrief: boolean;
}
