/** Exit codes of every pathproof command (docs/ARCHITECTURE.md, "Exit codes"). */
export const ExitCode = {
  pass: 0,
  fail: 1,
  unknown: 2,
  infra: 3,
  usage: 64,
  internal: 70,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * An error meant for a person: a stable `code` for scripts, a hint that says what to do next, and the
 * exit code of the command that it ends.
 */
export class PathproofError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;
  /** Further lines to show below the message, e.g. the last lines of a node's log. */
  readonly details: readonly string[];

  constructor(
    code: string,
    message: string,
    options: { hint?: string; exitCode?: ExitCode; details?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PathproofError';
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? ExitCode.internal;
    this.details = options.details ?? [];
  }
}

/** Bad arguments, an unknown suite, lab or scenario field: exit 64, nothing started. */
export function usageError(code: string, message: string, hint?: string): PathproofError {
  return new PathproofError(code, message, { exitCode: ExitCode.usage, ...(hint === undefined ? {} : { hint }) });
}

/** The lab broke (a node did not start, the disk is full): exit 3. */
export function infraError(code: string, message: string, options: { hint?: string; details?: readonly string[]; cause?: unknown } = {}): PathproofError {
  return new PathproofError(code, message, { ...options, exitCode: ExitCode.infra });
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
