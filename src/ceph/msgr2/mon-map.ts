import { AddressType, decodeAddresses } from './address.js';
import type { EntityAddress } from './address.js';
import { Decoder } from './encoding.js';
import { CephError } from './errors.js';
import { Limit, Size } from './limits.js';

export interface MonInfo { name: string; addresses: EntityAddress[] }

/** The parts of a MonMap that a client needs: whose cluster it is, and where its monitors are. */
export interface MonMap {
  fsid: Buffer;
  epoch: number;
  mons: MonInfo[];
}

/** Version of MonMap that this decoder was written against (20.2.4). It reads from v6 on, which every Ceph since 13 writes. */
const monMapVersion = 10;
const monMapVersionMin = 6;
const monInfoVersion = 6;

export function decodeMonMap(blob: Buffer): MonMap {
  const d = new Decoder(blob);
  return d.struct('MonMap', monMapVersion, (version) => {
    if (version < monMapVersionMin) throw new CephError('MSGR_COMPAT', `MonMap v${version} is older than v${monMapVersionMin}`);
    const fsid = Buffer.from(d.raw(Size.fsid));
    const epoch = d.u32();
    d.raw(16); // changed, created
    for (let i = 0; i < 2; i += 1) d.struct('mon features', 1, () => undefined);
    const mons = d.list(Limit.monsMax, () => {
      d.string(Limit.nameBytesMax);
      return d.struct('mon_info', monInfoVersion, () => ({ name: d.string(Limit.nameBytesMax), addresses: decodeAddresses(d) }));
    });
    return { fsid, epoch, mons };
  });
}

/** Where each monitor listens for msgr2. */
export function msgr2Endpoints(map: MonMap): { host: string; port: number }[] {
  return map.mons.flatMap(({ addresses }) => {
    const address = addresses.find(({ type, host, port }) => host !== '' && port !== 0 && (type === AddressType.msgr2 || type === AddressType.any));
    return address === undefined ? [] : [{ host: address.host, port: address.port }];
  });
}

/** 8-4-4-4-12, lower case. */
export function fsidText(fsid: Buffer): string {
  return fsid.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Throws MSGR_FIELD if the text is no UUID. */
export function parseFsid(text: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) throw new CephError('MSGR_FIELD', `${JSON.stringify(text)} is no fsid`);
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}
