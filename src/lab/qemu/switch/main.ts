import { writeSync } from 'node:fs';
import { messageOf } from '../../../util/errors.js';
import { switchConfigSchema } from './protocol.js';
import { SwitchServer } from './server.js';

/**
 * The switch process: `main.js CONFIG` with the configuration (protocol.ts) as JSON. It runs until it is
 * ended by a signal, also without a harness: a lab that stays up keeps its fabrics.
 */
try {
  const server = new SwitchServer(switchConfigSchema.parse(JSON.parse(process.argv[2] ?? '')));
  await server.listen();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      void server.close().finally(() => process.exit(0));
    });
  }
} catch (error) {
  writeSync(2, `switch: ${messageOf(error)}\n`);
  process.exit(1);
}
