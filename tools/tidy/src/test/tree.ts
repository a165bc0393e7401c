/** `libs/engines/engine` of `libs/engines/engine/src/a.ts`, `apps/loki` of `apps/loki/src/a.ts`. */
export function packagePathOf(path: string): string {
  const parts = path.split('/');
  return parts.slice(0, parts[0] === 'libs' ? 3 : 2).join('/');
}
