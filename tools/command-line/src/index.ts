/** Public exports of the command lines of developers' programs. */
export { answerHelp, endWithUsageError, numberOf, openingComment, readOptions } from './command-line.ts';
