import { adminSchema, parseControl } from './control.js';
import type { StoreServer } from './server.js';

/** Runs one administrative request of a client. The result becomes the JSON of its answer. */
export async function runAdmin(store: StoreServer, payload: Buffer): Promise<unknown> {
  const request = parseControl(adminSchema, payload);
  switch (request.method) {
    case 'createImage':
      return store.createImage({ name: request.name, bytes: request.bytes, blockSize: request.blockSize });
    case 'listImages':
      return store.listImages();
    case 'blocklistAdd':
      return store.blocklistAdd(request.addresses);
    case 'blocklistRm':
      return store.blocklistRm(request.addresses);
    case 'blocklistLs':
      return store.blocklistLs();
    case 'epoch':
      return store.epoch;
    case 'waitForEpoch':
      return store.waitForEpoch(request.epoch);
    case 'state':
      return { ...store.state(), counters: store.counters(), injection: store.injection() };
    case 'setLatency':
      return store.setLatency(request.latencyMs);
    case 'hold':
      return store.hold(request.client);
    case 'release':
      return store.release(request.client);
    case 'setDefect':
      return store.setDefect(request.defect, request.on);
  }
}
