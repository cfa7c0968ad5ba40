import type { ProviderProgress } from '../provider.js';

/** What of `vagrant up`'s output people are told: provisioning's steps, and what Vagrant says of a machine's way up. */
export function parseUpLine(line: string): { node: string; step: string } | undefined {
  const step = /\[pathproof\] (\S+): (?:changed|unchanged) +(.+)$/.exec(line);
  if (step !== null) return { node: step[1]!, step: step[2]! };
  const milestone = /^==> (\w+): (Creating domain|Starting domain|Waiting for SSH|Machine booted and ready|Running provisioner: \w+)/.exec(line);
  if (milestone !== null) return { node: milestone[1]!, step: milestone[2]! };
  // The box's builder.
  const build = /^\[ *[\d.]+ s\] (\S.*)$/.exec(line);
  return build === null ? undefined : { node: '', step: build[1]! };
}

export function progressOf(progress: ProviderProgress): (line: string) => void {
  return (line) => {
    const parsed = parseUpLine(line);
    if (parsed !== undefined) progress(parsed.node, parsed.step);
  };
}
