/** All dashboards, by file name. */
import { deletion, retention } from './compactor-dashboards.ts';
import type { Dashboard } from './grafana.ts';
import {
  logs,
  whizardAuditing,
  whizardEvents,
  whizardLogging,
  whizardNotification,
} from './log-dashboards.ts';
import { operational, reads, readsResources, writes, writesResources } from './path-dashboards.ts';

/** All dashboards by the names of their files. */
export const dashboards: Readonly<Record<string, Dashboard>> = {
  'loki-deletion': deletion,
  'loki-logs': logs,
  'loki-operational': operational,
  'loki-reads': reads,
  'loki-reads-resources': readsResources,
  'loki-retention': retention,
  'loki-writes': writes,
  'loki-writes-resources': writesResources,
  'whizard-auditing': whizardAuditing,
  'whizard-events': whizardEvents,
  'whizard-logging': whizardLogging,
  'whizard-notification': whizardNotification,
};
