import { ExitCode } from '../util/errors.js';

/** The first Ctrl-C (or SIGTERM) aborts the signal, and `text` says what follows; the second leaves at once. */
export function interruptible(out: NodeJS.WriteStream, text: string): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      process.stderr.write('\nleft at once; `pathproof lab down` or the next run cleans up\n');
      process.exit(ExitCode.interrupted);
    }
    out.write(`\n${text} (once more to leave at once)\n`);
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
