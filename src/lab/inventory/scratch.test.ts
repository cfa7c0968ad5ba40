import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { StampCodec } from '../../workload/stamp/codec.js';
import { edgeBytes, judgeScratch, needsSamples, parseImage, parseSamples, samplePlaces, unlike, type ImageFacts } from './scratch.js';

const wanted = { image: 'pp1', mebibytes: 16 };
const facts: ImageFacts = { bytes: 16 * 1_048_576, objectBytes: 4_194_304, prefix: 'rbd_data.1', watchers: [], written: true, mark: '' };
const uuid = '11111111-2222-4333-8444-555555555555';
const zero = Buffer.alloc(4_096);
const samples = (...data: Buffer[]) => ({ signatures: [], samples: data.map((each, i) => ({ offset: i * 1_048_576, data: each })) });

function stamped(blockBytes: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  new StampCodec({ runId: 'r', nsUuid: uuid, blockSize: blockBytes }).stampBlocks(block, 7, 1_099_511_627_777, 1);
  return Buffer.concat([block, zero]);
}

describe('may an image be overwritten?', () => {
  it.each([
    ['nothing was ever written', { ...facts, written: false }, undefined, /nothing was ever written/],
    ['zeros were written', facts, samples(zero, Buffer.alloc(0)), /only zeros at 2 places/],
    ['blocks of pathproof’s are there', facts, samples(stamped(512), stamped(4_096)), /only blocks of pathproof's and zeros/],
    ['it is marked, whatever fio has left', { ...facts, mark: 'rack' }, samples(Buffer.alloc(4_096, 0xac)), /has written to it before \(pathproof\.scratch = rack\)/],
  ])('yes: %s', (_, image, look, proof) => {
    const finding = judgeScratch(wanted, image, look);
    expect(finding.problem).toBeUndefined();
    expect(finding.proof).toMatch(proof);
  });

  it.each([
    ['it is not there', undefined, undefined, /no such image/],
    ['it has another size', { ...facts, bytes: 1_048_576 }, samples(zero), /1048576 bytes, the inventory says 16 MiB/],
    ['somebody has it open', { ...facts, written: false, watchers: ['192.0.2.7:0/1'] }, undefined, /somebody has it open: 192\.0\.2\.7/],
    ['it has a file system, although it is marked', { ...facts, mark: 'rack' }, { ...samples(zero), signatures: ['0x438,ext4'] }, /signatures \(wipefs\): 0x438,ext4/],
    ['it has foreign data', facts, samples(zero, Buffer.concat([zero, Buffer.from('precious')])), /at byte 1052672 it has data that is not pathproof's/],
    ['foreign data follows a block of ours', facts, samples(Buffer.concat([stamped(512).subarray(0, 512), Buffer.alloc(512, 1)])), /at byte 512 it has data/],
    ['nobody looked', facts, undefined, /nobody could look/],
  ])('no: %s', (_, image, look, problem) => {
    const finding = judgeScratch(wanted, image, look);
    expect(finding.proof).toBeUndefined();
    expect(finding.problem).toMatch(problem);
  });

  it('looks at both ends whole, and between them, within the image', () => {
    for (const bytes of [16 * 1_048_576, 1_048_576, 4_194_304 * 1_000 + 512 * 1_024]) {
      const places = samplePlaces({ bytes, objectBytes: 4_194_304 });
      expect(places[0]).toMatchObject({ offset: 0, bytes: edgeBytes });
      expect(places.at(-1)!.offset + places.at(-1)!.bytes).toBe(bytes);
      for (const { offset, object, skip, bytes: length } of places) {
        expect(object * 4_194_304 + skip).toBe(offset);
        expect(offset + length).toBeLessThanOrEqual(bytes);
      }
    }
  });

  it('reads what the scripts print', () => {
    const text = 'info {"size":16777216,"object_size":4194304,"block_name_prefix":"rbd_data.5"}\nstatus {"watchers":[{"address":"192.0.2.7:0/1","client":4}]}\nwritten 0 4194304 data\nmark rack\n';
    expect(parseImage(text)).toEqual({ bytes: 16_777_216, objectBytes: 4_194_304, prefix: 'rbd_data.5', watchers: ['192.0.2.7:0/1'], written: true, mark: 'rack' });
    expect(parseImage('info \nstatus \nwritten \nmark \n')).toBeUndefined();
    const look = parseSamples(`sample 0 ${gzipSync(zero).toString('base64')}\nsample 65536 \nsignature 0x1fe,dos\n`);
    expect(look.signatures).toEqual(['0x1fe,dos']);
    expect(look.samples.map(({ offset, data }) => [offset, data.length])).toEqual([[0, 4_096], [65_536, 0]]);
    expect(needsSamples({ ...facts, written: false })).toBe(false);
  });
});

describe('is a namespace an image?', () => {
  const filled = Buffer.alloc(4_096, 7);

  it('yes, where a host reads what the image has, and zeros where it has nothing', () => {
    expect(unlike(samples(filled, Buffer.alloc(0)), samples(filled, zero))).toBeUndefined();
    expect(unlike(samples(filled.subarray(0, 512)), samples(Buffer.concat([filled.subarray(0, 512), Buffer.alloc(512)])))).toBeUndefined();
    // Nothing was ever written to it.
    expect(unlike(undefined, samples(zero, zero))).toBeUndefined();
  });

  it('no, where one byte is another, where the image has nothing and the namespace has, or where nothing could be read', () => {
    const other = Buffer.from(filled);
    other[17] = 8;
    expect(unlike(samples(zero, filled), samples(zero, other))).toBe('at byte 1048593 a host reads other data than the image has');
    expect(unlike(undefined, samples(zero, filled))).toMatch(/at byte 1048576/);
    expect(unlike(samples(filled), samples(zero))).toMatch(/at byte 0/);
    expect(unlike(samples(filled), { signatures: [], samples: [] })).toBe('nothing could be read of it');
  });
});
