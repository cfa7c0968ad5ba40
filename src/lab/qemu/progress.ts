/** Where a node's progress goes: one line per step, with the seconds since the lab's start. */
export type NodeProgress = (node: string, step: string) => void;

/** Prints "[  3.2 s] gw1: kernel" lines. */
export function linesProgress(write: (line: string) => void): NodeProgress {
  const startedMs = performance.now();
  return (node, step) => write(`[${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s] ${node}: ${step}`);
}
