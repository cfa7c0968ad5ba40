import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialOf } from '../../gateway/userspace-gateway.js';
import type { ServedConfig } from '../../gateway/cephadm/index.js';
import type { Plan } from '../../plan/types.js';
import { bundleGuestEntry } from '../guest/bundle.js';

/** What the gateways of a plan's group serve: the file that each of their hosts has in /etc/pathproof. */
export function servedOf(plan: Plan): ServedConfig {
  const { topology, shape } = plan;
  const { scale, beaconMs, connectPanicMs, disconnectPanicMs, anattMs } = shape.timers;
  return {
    nqn: topology.nqn, serial: serialOf(topology.nqn),
    namespaces: topology.namespaces.map(({ nsid, uuid, nguid, image, anaGroup, blockSize }) => ({ nsid, uuid, nguid, image, anaGroup, blockSize: blockSize as 512 | 4_096 })),
    port: gatewayPort, timers: { scale, beaconMs, connectPanicMs, disconnectPanicMs, anattMs }, onFenced: shape.onFenced,
  };
}

/** Where the gateways listen. */
export const gatewayPort = 4_420;

/** Puts the gateway's program into the folder that is mounted as /opt/pathproof; resolves to its version. */
export async function installGatewayProgram(dir: string): Promise<string> {
  const { code } = await bundleGuestEntry('cephadm-gateway');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'gateway.mjs'), code);
  return createHash('sha256').update(code).digest('hex').slice(0, 16);
}
