import { ExitCode } from '../util/errors.js';
import type { RunVerdict, Verdict } from '../verify/types.js';

const byVerdict: Record<Verdict, ExitCode> = { pass: ExitCode.pass, fail: ExitCode.fail, unknown: ExitCode.unknown, infra: ExitCode.infra };
/** What counts most first: a proven failure of the system outweighs a broken lab, that outweighs "cannot tell". */
const order: readonly ExitCode[] = [ExitCode.fail, ExitCode.infra, ExitCode.unknown];

/** The exit code of a command that judged these runs. No run at all proves nothing: `unknown`. */
export function exitCodeOf(verdicts: readonly RunVerdict[]): ExitCode {
  if (verdicts.some((v) => v.interrupted)) return ExitCode.interrupted;
  const codes = new Set(verdicts.map((v) => byVerdict[v.verdict]));
  return order.find((code) => codes.has(code)) ?? (verdicts.length > 0 ? ExitCode.pass : ExitCode.unknown);
}
