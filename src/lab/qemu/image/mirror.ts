import { infraError } from '../../../util/errors.js';
import { findProgram, runTool } from '../tools.js';

/** One source of packages as apt sees it: the answer to `apt-get indextargets`. */
export interface AptSource { uri: string; origin: string; label: string; component: string }

/**
 * The Debian mirror that this machine itself uses, from its apt configuration: that one can be reached
 * and is trusted. `wanted` (the option --mirror) comes first. An infra error when apt knows no Debian archive.
 */
export async function findMirror(wanted?: string): Promise<string> {
  if (wanted !== undefined) return wanted;
  const mirror = findProgram('apt-get') === undefined ? undefined : chooseMirror(await aptSources());
  if (mirror === undefined) {
    throw infraError('NO_MIRROR', 'the apt configuration of this machine names no Debian archive', { hint: 'give one with --mirror URL' });
  }
  return mirror;
}

/** The first source of Debian's main component that is the archive itself, not its security updates. */
export function chooseMirror(sources: readonly AptSource[]): string | undefined {
  const main = sources.filter((s) => s.component === 'main');
  const byName = main.find((s) => s.origin === 'Debian' && s.label === 'Debian');
  // Before the first `apt-get update` apt knows the addresses only.
  const byAddress = main.find((s) => s.origin === '' && /\/debian\/?$/.test(s.uri));
  return (byName ?? byAddress)?.uri;
}

export function parseIndexTargets(text: string): AptSource[] {
  return text.split('\n').filter((line) => line !== '').map((line) => {
    const [uri = '', origin = '', label = '', component = ''] = line.split('|');
    return { uri, origin, label, component };
  });
}

async function aptSources(): Promise<AptSource[]> {
  const text = await runTool('apt-get', ['indextargets', '--format', '$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)', 'Created-By: Packages'], { timeoutMs: 20_000 });
  return parseIndexTargets(text.toString('utf8'));
}
