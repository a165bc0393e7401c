/* oxlint-disable no-control-regex -- control characters are the subject of this file */
import type { Row } from './row.ts';

// The escape sequences of terminals: CSI and OSC, as the MIT-licensed ansi-regex describes them.
const ansi =
  /[\u001b\u009b][[\]()#;?]*(?:(?:(?:[a-zA-Z\d]*(?:;[a-zA-Z\d]*)*)?\u0007)|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PRZcf-ntqry=><~]))/g;

/** The stage `| decolorize`: removes terminal colours from the line. */
export class DecolorizeStage {
  run(row: Row): boolean {
    const text = row.lineText();
    if (!text.includes('\u001b') && !text.includes('\u009b')) return true;
    row.setLineText(text.replaceAll(ansi, ''));
    return true;
  }
}
