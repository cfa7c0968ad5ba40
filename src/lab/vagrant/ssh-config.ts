import { infraError } from '../../util/errors.js';

/** How Vagrant gets into one of its machines. */
export interface VagrantAccess { node: string; host: string; port: number; user: string; keyFile: string }

/**
 * The machines of `vagrant ssh-config`, which speaks the language of ssh_config(5): one `Host` section each. An infra error
 * when a section lacks what is needed to get in.
 */
export function parseSshConfig(text: string): VagrantAccess[] {
  const sections: Map<string, string>[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(\w+)\s+(.+?)\s*$/.exec(line);
    if (match === null) continue;
    const [, key, value] = match;
    if (key === 'Host') sections.push(new Map([['Host', unquoted(value!)]]));
    // Of several keys the first is tried first.
    else if (sections.at(-1)?.has(key!) === false) sections.at(-1)!.set(key!, unquoted(value!));
  }
  return sections.map((section) => {
    const need = (key: string): string => {
      const value = section.get(key);
      if (value === undefined) throw infraError('VAGRANT_SSH_CONFIG', `vagrant ssh-config has no ${key} for ${section.get('Host')!}`);
      return value;
    };
    const port = Number(need('Port'));
    if (!Number.isInteger(port)) throw infraError('VAGRANT_SSH_CONFIG', `vagrant ssh-config: ${need('Port')} is no port`);
    return { node: need('Host'), host: need('HostName'), port, user: need('User'), keyFile: need('IdentityFile') };
  });
}

function unquoted(text: string): string {
  return text.replace(/^"(.*)"$/, '$1');
}
