import { writeFileSync } from 'node:fs';
import { bundleGuestEntry, containerEntries, guestEntries } from './bundle.js';

/** `tsx build-bundle.ts ENTRY FILE`: writes a program as one file, for people who build an image by hand. */
const [name, file] = process.argv.slice(2);
const entry = [...guestEntries, ...containerEntries].find((each) => each === name);
if (entry === undefined || file === undefined) {
  process.stderr.write(`usage: build-bundle ${[...guestEntries, ...containerEntries].join('|')} FILE\n`);
  process.exitCode = 64;
} else {
  const { code, sha256 } = await bundleGuestEntry(entry);
  writeFileSync(file, code);
  process.stdout.write(`${file}: ${code.length} bytes, sha256 ${sha256}\n`);
}
