import fs from 'node:fs';
import { HistoryWriter } from '../writer.js';

/** Appends facts as fast as it can and says on stdout which it has appended, until it is killed. */
const writer = HistoryWriter.open(process.argv[2]!);
setInterval(() => {
  for (let i = 0; i < 20; i++) {
    writer.append({ type: 'observe.coverage', observer: 'child', fromUs: 0, toUs: 1, samples: i, maxGapUs: 1 });
    const event = writer.append({ type: 'fault', id: `f${i}`, fault: 'none', target: 'none', phase: 'injected' })!;
    fs.writeSync(1, `${event.seq}\n`);
  }
}, 1);
