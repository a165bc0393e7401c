/** Text for a cell of a table: a bar in it must not end the cell. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ').trim();
}

/** Text as code in a cell; '' stays empty. */
export function code(text: string): string {
  if (text === '') return '';
  const line = cell(text.replaceAll('\n', '⏎'));
  if (!line.includes('`')) return `\`${line}\``;
  return `\`\` ${line} \`\``;
}

/** A table; a row without cells is a fault of the caller. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |');
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The first lines of a page: its content, and the command that made it. */
export function opening(title: string, text: string): string {
  return `# ${title}\n\n<!-- Written by \`npm run docs:reference\`. A change by hand fails its test. -->\n\n${text}\n`;
}

/** A link from docs/reference to a file of the tree. */
export function link(file: string, text = file.slice(file.lastIndexOf('/') + 1)): string {
  return `[${text}](../../${file})`;
}
