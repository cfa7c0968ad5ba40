import type { ProviderProgress } from '../lab/provider.js';

/**
 * What the making of a lab says while it goes on: a line for each step that a node has done, with the seconds since
 * the beginning, so that the slow one is found at a glance.
 */
export function labProgress(out: { write(text: string): unknown }): ProviderProgress {
  const startedMs = performance.now();
  return (node, step) => {
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6);
    out.write(`  ${seconds} s  ${node === '' ? '' : `${node}: `}${step}\n`);
  };
}
