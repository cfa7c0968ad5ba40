import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { stampMagic } from '../../workload/stamp/codec.js';
import { findDevice, rbdCommand, scratchMark } from './commands.js';
import type { Inventory } from './file.js';

/**
 * May an image be overwritten? Its owner has said so (`scratch: true`); here it is looked at whether that can be true.
 * It is refused if somebody has it open, if it has another size, if it has the signature of a file system, a volume
 * manager or a partition table, or if it has data that is neither zero nor pathproof's.
 */
export interface ScratchFinding {
  image: string;
  /** Why it may be overwritten, in words; undefined: it may not. */
  proof: string | undefined;
  /** Why not. */
  problem: string | undefined;
}

/** Bytes of the image's first and last part that are looked at, and of each of the places in between. */
export const edgeBytes = 1_048_576;
const middleBytes = 65_536;
const middlePlaces = 14;

const infoSchema = z.looseObject({ size: z.number(), object_size: z.number(), block_name_prefix: z.string() });
/** `rbd status --format json`. */
export const statusSchema = z.looseObject({ watchers: z.array(z.looseObject({ address: z.string() })).default([]) });

/** Prints, of one image, a line each: info, status, whether anything was ever written, and the mark. Changes nothing. */
export function imageScript(inventory: Inventory, image: string): string {
  const rbd = rbdCommand(inventory);
  const spec = `${inventory.cluster.pool}/${image}`;
  return [
    `echo "info $(${rbd} info --format json ${spec} | tr -d '\\n')"`,
    `echo "status $(${rbd} status --format json ${spec} | tr -d '\\n')"`,
    `echo "written $(${rbd} diff --whole-object ${spec} | head -n 1)"`,
    `echo "mark $(${rbd} image-meta get ${spec} ${scratchMark} 2>/dev/null)"`,
  ].join('\n');
}

export interface ImageFacts { bytes: number; objectBytes: number; prefix: string; watchers: string[]; written: boolean; mark: string }

/** What `imageScript` has printed; undefined: there is no such image. */
export function parseImage(text: string): ImageFacts | undefined {
  const line = (key: string): string => text.split('\n').find((each) => each.startsWith(`${key} `))?.slice(key.length + 1).trim() ?? '';
  if (line('info') === '') return undefined;
  const info = infoSchema.parse(JSON.parse(line('info')));
  const status = statusSchema.parse(JSON.parse(line('status') === '' ? '{}' : line('status')));
  return { bytes: info.size, objectBytes: info.object_size, prefix: info.block_name_prefix, watchers: status.watchers.map(({ address }) => address), written: line('written') !== '', mark: line('mark') };
}

/** Places that are looked at: the image's both ends, and some in between, each at the beginning of an object. */
export function samplePlaces({ bytes, objectBytes }: Pick<ImageFacts, 'bytes' | 'objectBytes'>): { object: number; skip: number; bytes: number; offset: number }[] {
  const objects = Math.ceil(bytes / objectBytes);
  const last = Math.max(0, bytes - edgeBytes);
  const places = new Map<number, { object: number; skip: number; bytes: number; offset: number }>();
  const add = (offset: number, length: number): void => void places.set(offset, { object: Math.floor(offset / objectBytes), skip: offset % objectBytes, bytes: Math.min(length, bytes - offset), offset });
  for (let i = 1; i <= middlePlaces; i++) add(Math.floor((i * objects) / (middlePlaces + 1)) * objectBytes, middleBytes);
  add(0, edgeBytes);
  add(last, edgeBytes);
  return [...places.values()].sort((a, b) => a.offset - b.offset);
}

/**
 * Prints what is at the places (an object that is not there is all zero), and the signatures that wipefs(8) finds. Objects are
 * read by rados(8): nothing is mapped, and nobody has to be a client of the image.
 */
export function sampleScript(inventory: Inventory, facts: ImageFacts): string {
  const rados = `${rbdCommand(inventory, 'rados')} -p ${inventory.cluster.pool}`;
  return [
    'd=$(mktemp -d) && trap "rm -rf $d" EXIT',
    `truncate -s ${facts.bytes} $d/image`,
    ...samplePlaces(facts).flatMap(({ object, skip, bytes, offset }) => {
      const name = `${facts.prefix}.${object.toString(16).padStart(16, '0')}`;
      return [
        `if ${rados} get ${name} $d/object 2>$d/error; then`,
        `  tail -c +${skip + 1} $d/object | head -c ${bytes} >$d/part; dd if=$d/part of=$d/image bs=65536 seek=${offset} oflag=seek_bytes conv=notrunc status=none; echo "sample ${offset} $(gzip -1c $d/part | base64 -w0)"`,
        `elif grep -q "No such file" $d/error; then echo "sample ${offset} "; else cat $d/error >&2; exit 1; fi`,
      ];
    }),
    saySignatures('$d/image'),
  ].join('\n');
}

function saySignatures(path: string): string {
  return `wipefs --no-act --parsable --output OFFSET,TYPE ${path} | grep -v '^#' | sed 's/^/signature /'; true`;
}

/** The same of a namespace, as a host has it. */
export function namespaceSampleScript(uuid: string, facts: Pick<ImageFacts, 'bytes' | 'objectBytes'>): string {
  return [
    ...findDevice(uuid),
    // A gateway may have a write cache, of which the cluster's objects know nothing yet (NVMe Flush); a host has a cache of what it has read.
    'dd if=/dev/null of=$d conv=fsync,notrunc status=none && blockdev --flushbufs $d',
    ...samplePlaces(facts).map(({ offset, bytes }) => `echo "sample ${offset} $(dd if=$d bs=65536 iflag=skip_bytes,count_bytes skip=${offset} count=${bytes} status=none | gzip -1c | base64 -w0)"`),
    saySignatures('$d'),
  ].join('\n');
}

/**
 * Is this namespace that image? What a host reads of the one has to be what the cluster has of the other: otherwise what was proved of the image
 * says nothing about what would be overwritten. `image`: its samples; undefined: nothing was ever written to it, all of it is zero. In words; undefined: they are alike.
 */
export function unlike(image: SampleFacts | undefined, namespace: SampleFacts): string | undefined {
  if (namespace.samples.length === 0) return 'nothing could be read of it';
  for (const { offset, data } of namespace.samples) {
    // An object that is not there is all zero.
    const stored = image?.samples.find((each) => each.offset === offset)?.data ?? Buffer.alloc(0);
    const expected = Buffer.concat([stored, Buffer.alloc(Math.max(0, data.length - stored.length))]);
    const at = data.findIndex((byte, index) => byte !== expected[index]);
    if (at >= 0) return `at byte ${offset + at} a host reads other data than the image has`;
  }
  return undefined;
}

export interface SampleFacts { signatures: string[]; samples: { offset: number; data: Buffer }[] }

export function parseSamples(text: string): SampleFacts {
  const signatures: string[] = [];
  const samples: SampleFacts['samples'] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('signature ')) signatures.push(line.slice('signature '.length));
    const [, offset, packed] = /^sample (\d+) (\S*)$/.exec(line) ?? [];
    if (offset !== undefined) samples.push({ offset: Number(offset), data: packed === '' ? Buffer.alloc(0) : gunzipSync(Buffer.from(packed!, 'base64')) });
  }
  return { signatures, samples };
}

const sectorBytes = 512;
const zeros = Buffer.alloc(sectorBytes);
/** The largest block that a stamp can fill: what follows its first sector has no magic of its own. */
const blockBytesMax = 4_096;

/** Where the first data is that is neither zero nor a block of pathproof's; undefined: nowhere. `stamped`: whether there are any of those. */
function foreignData({ samples }: SampleFacts): { at: number | undefined; stamped: boolean } {
  let stamped = false;
  for (const { offset, data } of samples) {
    let ownUntil = 0;
    for (let at = 0; at < data.length; at += sectorBytes) {
      const sector = data.subarray(at, at + sectorBytes);
      if (sector.equals(zeros.subarray(0, sector.length))) continue;
      if (sector.subarray(0, stampMagic.length).equals(stampMagic)) {
        stamped = true;
        // Offset 12 of a stamp: the size of its block (workload/stamp/codec.ts).
        ownUntil = at + Math.min(blockBytesMax, sector.readUInt32LE(12));
      } else if (at >= ownUntil) return { at: offset + at, stamped };
    }
  }
  return { at: undefined, stamped };
}

/** Decides. `samples` are needed only for an image that something was written to (`needsSamples`). */
export function judgeScratch(wanted: { image: string; mebibytes: number }, facts: ImageFacts | undefined, samples?: SampleFacts): ScratchFinding {
  const { image } = wanted;
  const refuse = (problem: string): ScratchFinding => ({ image, proof: undefined, problem });
  if (facts === undefined) return refuse('there is no such image');
  if (facts.bytes !== wanted.mebibytes * 1_048_576) return refuse(`it has ${facts.bytes} bytes, the inventory says ${wanted.mebibytes} MiB`);
  if (facts.watchers.length > 0) return refuse(`somebody has it open: ${facts.watchers.join(', ')}`);
  if (!facts.written) return { image, proof: 'nothing was ever written to it', problem: undefined };
  if (samples === undefined || samples.samples.length === 0) return refuse('it has data, and nobody could look at it');
  if (samples.signatures.length > 0) return refuse(`it has signatures (wipefs): ${samples.signatures.join('; ')}`);
  const { at, stamped } = foreignData(samples);
  if (facts.mark !== '') return { image, proof: `pathproof has written to it before (${scratchMark} = ${facts.mark}), and it has no signature`, problem: undefined };
  if (at !== undefined) return refuse(`at byte ${at} it has data that is not pathproof's`);
  const where = `${samples.samples.length} places, the first and the last MiB among them`;
  return { image, proof: stamped ? `only blocks of pathproof's and zeros at ${where}` : `only zeros at ${where}, and no signature`, problem: undefined };
}

export function needsSamples(facts: ImageFacts | undefined): facts is ImageFacts {
  return facts !== undefined && facts.watchers.length === 0 && facts.written;
}
