import type { MonEndpoint } from '../../ceph/msgr2/index.js';

/** Where a monitor listens if only its address is given, by protocol version. */
const defaultPort = 3_300;
const legacyPort = 6_789;

/**
 * The msgr2 addresses of a `mon_host`: `[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0] [v2:…]`, or addresses with or without
 * ports. What speaks only the old protocol is left out; undefined for what is no list of addresses.
 */
export function parseMonHost(text: string): MonEndpoint[] | undefined {
  const endpoints: MonEndpoint[] = [];
  for (const part of text.split(/[\s,]+/)) {
    // The outer bracket holds the addresses of one monitor; an inner one an IPv6 address, which never begins with `v`.
    const opened = part.replace(/^\[(?=v[12]:)/, '');
    const word = opened.split(']').length > opened.split('[').length ? opened.replace(/\]$/, '') : opened;
    if (word === '') continue;
    const match = /^(?:(v[12]):)?(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?(?:\/\d+)?$/.exec(word);
    if (match === null) return undefined;
    const [, version, ipv6, name, portText] = match;
    const port = Number(portText ?? defaultPort);
    if (port < 1 || port > 65_535) return undefined;
    if (version === 'v1' || (version === undefined && port === legacyPort)) continue;
    endpoints.push({ host: ipv6 ?? name!, port });
  }
  return endpoints;
}
