/** A logger whose lines become a part of the trace of a simulation. */
import type { LogFields, Logger } from '@loki/ports';
import type { VirtualProcess } from './virtual-process.ts';

/** The log lines of a role are part of the trace. */
export function traceLogger(process: VirtualProcess): Logger {
  const write = (level: string) => (message: string, fields?: LogFields) => {
    const reason = fields?.err ?? fields?.error;
    process.scheduler.note(`${process.name} ${level} ${message} ${typeof reason === 'string' ? reason : ''}`);
  };
  const logger: Logger = {
    debug() {},
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  };
  return logger;
}
