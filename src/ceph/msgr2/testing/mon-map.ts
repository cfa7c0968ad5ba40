import { encodeAddresses } from '../address.js';
import { encoded } from '../encoding.js';
import type { MonMap } from '../mon-map.js';

/** A MonMap v10 as a fresh 20.2.4 cluster has it; what the client does not read has fixed values. */
export function encodeMonMap(map: MonMap): Buffer {
  return encoded((e) => e.struct(10, 6, () => {
    e.raw(map.fsid).u32(map.epoch).raw(Buffer.alloc(16));
    e.struct(1, 1, () => e.u64(0n)).struct(1, 1, () => e.u64(0n));
    e.list(map.mons, ({ name, addresses }) => e.string(name).struct(6, 1, () => {
      encodeAddresses(e.string(name), addresses);
      e.u16(0).u16(0).u32(0).raw(Buffer.alloc(8));
    }));
    e.list(map.mons, ({ name }) => e.string(name));
    e.u8(20).u32(0).u8(1).u32(0).bool(false).string('').u32(0).u32(0).s32(2).list([2], (type) => e.s32(type)).s32(2);
  }));
}
