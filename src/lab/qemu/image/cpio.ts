/**
 * A cpio archive in the "newc" format, as the Linux kernel unpacks it as an initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Written here because device nodes and
 * owners then need no root and the same entries always give the same bytes.
 */
export type CpioEntry =
  | { kind: 'file'; path: string; data: Buffer; mode?: number }
  | { kind: 'directory'; path: string; mode?: number }
  | { kind: 'link'; path: string; target: string }
  | { kind: 'device'; path: string; major: number; minor: number; mode?: number };

const typeBits = { file: 0o100000, directory: 0o040000, link: 0o120000, device: 0o020000 } as const;
const defaultModes = { file: 0o644, directory: 0o755, link: 0o777, device: 0o600 } as const;
/** The size field has 8 hexadecimal digits; the kernel's own buffers end far below. */
const dataMaxBytes = 0x7fff_ffff;

/** The archive, padded to 4 bytes, so that archives can be put one after the other. Everything belongs to root and has no time. Parent folders are added. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  const folders = new Set(entries.filter((e) => e.kind === 'directory').map((e) => e.path));
  const made = new Set<string>();
  let inode = 1;
  const add = (entry: CpioEntry): void => {
    if (!/^[^/].*[^/]$|^[^/]$/.test(entry.path)) throw new RangeError(`cpio path "${entry.path}" must be relative, without a slash at its end`);
    parts.push(record(entry, inode++));
  };
  for (const entry of entries) {
    const steps = entry.path.split('/');
    for (let i = 1; i < steps.length; i++) {
      const folder = steps.slice(0, i).join('/');
      if (folders.has(folder) || made.has(folder)) continue;
      made.add(folder);
      add({ kind: 'directory', path: folder });
    }
    add(entry);
  }
  parts.push(header({ inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0, name: 'TRAILER!!!' }));
  return Buffer.concat(parts);
}

function record(entry: CpioEntry, inode: number): Buffer {
  const data = entry.kind === 'file' ? entry.data : entry.kind === 'link' ? Buffer.from(entry.target, 'utf8') : Buffer.alloc(0);
  if (data.length > dataMaxBytes) throw new RangeError(`${entry.path} is too large for a cpio archive`);
  const permissions = entry.kind === 'link' ? defaultModes.link : (entry.mode ?? defaultModes[entry.kind]);
  const head = header({
    inode, mode: typeBits[entry.kind] | permissions, links: entry.kind === 'directory' ? 2 : 1, size: data.length, name: entry.path,
    major: entry.kind === 'device' ? entry.major : 0, minor: entry.kind === 'device' ? entry.minor : 0,
  });
  return Buffer.concat([head, data, Buffer.alloc(-data.length & 3)]);
}

function header(h: { inode: number; mode: number; links: number; size: number; major: number; minor: number; name: string }): Buffer {
  const name = Buffer.from(`${h.name}\0`, 'utf8');
  // inode, mode, uid, gid, links, mtime, size, device major and minor, rdev major and minor, name length, checksum
  const fields = [h.inode, h.mode, 0, 0, h.links, 0, h.size, 0, 0, h.major, h.minor, name.length, 0];
  const head = Buffer.from(`070701${fields.map((f) => f.toString(16).padStart(8, '0')).join('')}`, 'latin1');
  return Buffer.concat([head, name, Buffer.alloc(-(head.length + name.length) & 3)]);
}
