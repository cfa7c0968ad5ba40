import { ExitCode } from '../util/errors.js';

/** The first Ctrl-C (or SIGTERM) aborts the signal, for an orderly end; the second leaves at once. */
export function interruptible(out: { write(text: string): unknown }, saying: string): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      process.stderr.write('\nleft at once; `pathproof lab down` or the next run cleans up\n');
      process.exit(ExitCode.interrupted);
    }
    out.write(`\n${saying} (once more to leave at once)\n`);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
