import type { Link } from './link.js';

/** Defects of the links between hosts and gateways, with their names in plan/defects.ts. */
export const linkDefectNames = ['link.freeze', 'link.flip-bit'] as const;
export type LinkDefectName = (typeof linkDefectNames)[number];

/** Shorter than any keep-alive timeout of the lab, longer than I/O may stand still on a quiet day, milliseconds. */
const freezeMs = 1_150;
const freezePauseMs = 4_000;
/** One bit of this many bytes that go to a gateway is flipped: about one in a few dozen writes. */
const flipEveryBytes = 1_500_000;
/** Only in long chunks, and in their middle: that is data, and no header. */
const flipChunkBytesMin = 16_384;

/** Gives one link its defects. Links other than a host's to a gateway have none. */
export function applyLinkDefects(link: Link, names: readonly LinkDefectName[]): void {
  if (!link.name.startsWith('host')) return;
  if (names.includes('link.freeze')) link.flap('drop', 'both', freezeMs, freezePauseMs);
  if (names.includes('link.flip-bit')) link.forward.change = flipper();
}

function flipper(): (chunk: Buffer) => Buffer {
  let passed = 0;
  return (chunk) => {
    passed += chunk.length;
    if (passed < flipEveryBytes || chunk.length < flipChunkBytesMin) return chunk;
    passed = 0;
    const flipped = Buffer.from(chunk);
    flipped[chunk.length >> 1]! ^= 0x10;
    return flipped;
  };
}
