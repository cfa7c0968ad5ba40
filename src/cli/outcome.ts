import { evidenceLines, painterFor, verdictLine, verdictTable, type RanScenario } from '../report/index.js';

/** Prints what was found in one run: the table, why anything is not a pass, and the word. */
export function printVerdict(out: NodeJS.WriteStream, { verdict }: RanScenario): void {
  const options = { columns: out.isTTY ? out.columns : undefined, painter: painterFor(out) };
  const why = evidenceLines(verdict, options);
  const lines = [...verdictTable(verdict, options), ...(why.length > 0 ? ['', ...why] : []), '', verdictLine(verdict, options)];
  out.write(`${lines.join('\n')}\n`);
}
