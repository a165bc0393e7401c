/** The answers of the routes `/ring`, as JSON and as a page. */
import type { ObservedInstance, Ring } from './ring.ts';

/** The displayed state: a member without recent heartbeats is UNHEALTHY, regardless of its last state. */
function shownState(instance: ObservedInstance): string {
  return instance.isHealthy ? instance.state : 'UNHEALTHY';
}

function timeText(unixMs: number): string {
  const date = new Date(unixMs);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

/** Go's zero time. */
const zeroTime = '0001-01-01T00:00:00Z';

/** The answer of `GET /ring` to clients that accept JSON. */
export function ringJson(ring: Ring, nowMs: number): string {
  return JSON.stringify({
    shards: ring.instances.map((instance) => ({
      id: instance.id,
      state: shownState(instance),
      address: instance.address,
      timestamp: timeText(instance.heartbeatMs),
      registered_timestamp: timeText(instance.registeredMs),
      read_only: instance.readOnly,
      read_only_updated_timestamp:
        instance.readOnlyMs === undefined ? zeroTime : timeText(instance.readOnlyMs),
      zone: instance.zone,
      tokens: instance.tokens,
    })),
    now: timeText(nowMs),
  });
}

/** The answer of `GET /ring` to a browser, with a button to forget each member. */
export function ringHtml(ring: Ring, options: { title: string; nowMs: number }): string {
  const shares = ring.shares();
  const rows = ring.instances.map((instance) => {
    const id = escapeHtml(instance.id);
    const share = ((shares.get(instance.id) ?? 0) * 100).toFixed(1);
    const cells = [
      id,
      escapeHtml(instance.zone),
      shownState(instance),
      escapeHtml(instance.address),
      timeText(instance.registeredMs),
      timeText(instance.heartbeatMs),
      String(instance.tokens.length),
      `${share}%`,
      `<button name="forget" value="${id}" type="submit">Forget</button>`,
    ];
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const title = escapeHtml(options.title);
  const heads = [
    'Instance ID',
    'Availability Zone',
    'State',
    'Address',
    'Registered At',
    'Last Heartbeat',
    'Tokens',
    'Ownership',
    'Actions',
  ];
  return (
    `<!DOCTYPE html><html><head><meta charset="UTF-8"><title>${title}</title></head><body><h1>${title}</h1>` +
    `<p>Current time: ${timeText(options.nowMs)}</p><form action="" method="POST"><table border="1"><thead><tr>` +
    `${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></form></body></html>`
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
