import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../util/atomic-file.js';
import { openBlockFile, type BlockFile } from './block-file.js';
import { badRequest, StoreError } from './errors.js';
import { Image } from './image.js';
import { StoreLimit } from './limits.js';

/** Geometry of an image. `bytes` is a multiple of `blockSize`, which is a power of two from 512 to 65536. */
export interface ImageSpec { name: string; bytes: number; blockSize: number }

export const imageSpecSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@/-]{0,127}$/, 'letters, digits and . _ @ / -, at most 128'),
  bytes: z.int().positive().max(StoreLimit.imageBytesMax),
  blockSize: z.int().min(512).max(65_536).refine((n) => (n & (n - 1)) === 0, 'a power of two'),
}).refine((spec) => spec.bytes % spec.blockSize === 0, { path: ['bytes'], message: 'a multiple of blockSize' });

const metaSchema = z.strictObject({ format: z.literal(1), bytes: z.number(), blockSize: z.number() });

export type FileOpener = (file: string) => BlockFile;

/** `/` is allowed in names (pool/image) but is no folder on disk. */
const fileNameOf = (image: string): string => image.replaceAll('/', '%2F');

/**
 * The images of one store folder: `images/NAME.img` (sparse data) and `images/NAME.json` (geometry).
 * An image exists once its geometry file does, which is written last and atomically.
 */
export class ImageCatalog {
  readonly #dir: string;
  readonly #open: FileOpener;
  readonly #images = new Map<string, Image>();

  /** Opens what the folder holds. Throws STORE_STATE_CORRUPT if a geometry file cannot be trusted. */
  constructor(dir: string, open: FileOpener = openBlockFile) {
    this.#dir = path.join(dir, 'images');
    this.#open = open;
    fs.mkdirSync(this.#dir, { recursive: true });
    for (const entry of fs.readdirSync(this.#dir)) {
      if (entry.endsWith('.json')) this.#load(entry.slice(0, -'.json'.length));
    }
  }

  get(name: string): Image {
    const image = this.#images.get(name);
    if (image === undefined) throw new StoreError('STORE_NO_SUCH_IMAGE', 'io', `no image ${JSON.stringify(name)}`);
    return image;
  }

  list(): ImageSpec[] {
    return [...this.#images.values()].map((image) => (
      { name: image.name, bytes: image.blocks * image.blockSize, blockSize: image.blockSize }
    ));
  }

  /** Creates an image that reads as zeroes. Creating it again with the same geometry changes nothing. */
  create(request: unknown): Image {
    const parsed = imageSpecSchema.safeParse(request);
    if (!parsed.success) throw badRequest(z.prettifyError(parsed.error));
    const spec = parsed.data;
    const existing = this.#images.get(spec.name);
    if (existing !== undefined) {
      if (existing.blockSize === spec.blockSize && existing.blocks * existing.blockSize === spec.bytes) return existing;
      throw new StoreError('STORE_IMAGE_EXISTS', 'io', `image ${spec.name} exists with another geometry`);
    }
    if (this.#images.size >= StoreLimit.imagesMax) throw new StoreError('STORE_LIMIT', 'io', `at most ${StoreLimit.imagesMax} images`);
    const base = path.join(this.#dir, fileNameOf(spec.name));
    // A file system that ignores case would otherwise let `a` empty the data of `A`.
    if (fs.existsSync(`${base}.json`)) throw new StoreError('STORE_IMAGE_EXISTS', 'io', `the files of image ${spec.name} exist`);
    try {
      fs.writeFileSync(`${base}.img`, '');
      fs.truncateSync(`${base}.img`, spec.bytes);
      writeFileAtomic(`${base}.json`, `${JSON.stringify({ format: 1, bytes: spec.bytes, blockSize: spec.blockSize })}\n`);
    } catch (error) {
      throw errorOfIo(error as NodeJS.ErrnoException);
    }
    return this.#add(spec, `${base}.img`);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#images.values()].map((image) => image.close()));
  }

  #load(base: string): void {
    const file = path.join(this.#dir, base);
    const name = base.replaceAll('%2F', '/');
    try {
      const meta = metaSchema.parse(JSON.parse(fs.readFileSync(`${file}.json`, 'utf8')));
      this.#add(imageSpecSchema.parse({ name, bytes: meta.bytes, blockSize: meta.blockSize }), `${file}.img`);
    } catch (error) {
      throw new StoreError('STORE_STATE_CORRUPT', 'io', `image ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #add(spec: ImageSpec, file: string): Image {
    const image = new Image(spec.name, spec.bytes, spec.blockSize, this.#open(file));
    this.#images.set(spec.name, image);
    return image;
  }
}

/** A file-system error as the store reports it: out of space apart from everything else. */
export function errorOfIo(error: NodeJS.ErrnoException): StoreError {
  const full = error.code === 'ENOSPC' || error.code === 'EDQUOT' || error.code === 'EFBIG';
  return full ? new StoreError('STORE_NO_SPACE', 'no-space', error.message) : new StoreError('STORE_IO', 'io', error.message);
}
