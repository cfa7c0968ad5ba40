import type { Evidence } from '../results/manifest.js';
import { evidenceLines, painterFor, verdictLine, verdictTable, type RanScenario } from '../report/index.js';

/** Prints what was found in one run: the table, why anything is not a pass, and the word. */
export function printVerdict(out: NodeJS.WriteStream, { verdict }: RanScenario): void {
  const options = { columns: out.isTTY ? out.columns : undefined, painter: painterFor(out) };
  const why = evidenceLines(verdict, options);
  const lines = [...verdictTable(verdict, options), ...(why.length > 0 ? ['', ...why] : []), '', verdictLine(verdict, options)];
  out.write(`${lines.join('\n')}\n`);
}

/** Says whether the evidence is as the run left it. What is wrong with derived files is not told here: they are made anew. */
export function printEvidence(out: NodeJS.WriteStream, { manifestSha256, files, problems }: Evidence): void {
  const altered = problems.filter(({ kind }) => kind !== 'derived');
  if (altered.length === 0) out.write(`evidence: ${files} files as they were at the end of the run; manifest SHA-256 ${manifestSha256}\n`);
  for (const { text } of altered.slice(0, 10)) out.write(`evidence: ${text}\n`);
  if (altered.length > 10) out.write(`evidence: and ${altered.length - 10} more files\n`);
}
