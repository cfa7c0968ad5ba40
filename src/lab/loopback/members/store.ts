import { z } from 'zod';
import { isAddress, storeDefects, StoreServer } from '../../../store/index.js';
import { runMember } from '../../member/member.js';

/** The block store as a process of its own. Its folder outlives it: start it again on the same one. */
const configSchema = z.strictObject({
  dir: z.string().min(1),
  listen: z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65_535) }).default({ host: '127.0.0.1', port: 0 }),
  images: z.array(z.strictObject({ name: z.string(), bytes: z.number(), blockSize: z.number() })).default([]),
});
export type StoreMemberConfig = z.input<typeof configSchema>;
export interface StoreMemberInfo { port: number }

/** It says its state at each change, and this often besides: who looks for it after something else has happened must find one. */
const stateEveryMs = 1_000;

const schemas = {
  addresses: z.strictObject({ addresses: z.array(z.string().refine(isAddress, 'an address ip:port/nonce')) }),
  latency: z.strictObject({ latencyMs: z.number() }),
  hold: z.strictObject({ client: z.string().min(1) }),
  release: z.strictObject({ client: z.string().min(1).optional() }).nullish(),
  defect: z.strictObject({ defect: z.enum(storeDefects), on: z.boolean() }),
  image: z.strictObject({ name: z.string(), bytes: z.number(), blockSize: z.number() }),
};

runMember('store', async (rawConfig, context) => {
  const config = configSchema.parse(rawConfig);
  const store = await StoreServer.start(config);
  const say = (): void => context.emit({ type: 'store.state', ...store.state() });
  store.onState(say);
  store.onProblem((text) => context.log(text));
  say();
  const saying = setInterval(say, stateEveryMs);
  const info: StoreMemberInfo = { port: store.port };
  return {
    info,
    handlers: {
      state: () => ({ ...store.state(), counters: store.counters(), injection: store.injection() }),
      listImages: () => store.listImages(),
      createImage: (params: unknown) => store.createImage(schemas.image.parse(params)),
      blocklistAdd: (params: unknown) => store.blocklistAdd(schemas.addresses.parse(params).addresses),
      blocklistRm: (params: unknown) => store.blocklistRm(schemas.addresses.parse(params).addresses),
      blocklistLs: () => store.blocklistLs(),
      setLatency: (params: unknown) => store.setLatency(schemas.latency.parse(params).latencyMs),
      hold: (params: unknown) => store.hold(schemas.hold.parse(params).client),
      release: (params: unknown) => store.release(schemas.release.parse(params)?.client),
      setDefect: (params: unknown) => {
        const { defect, on } = schemas.defect.parse(params);
        store.setDefect(defect, on);
      },
    },
    stop: () => {
      clearInterval(saying);
      return store.close();
    },
  };
});
