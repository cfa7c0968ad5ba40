import type { MakeMonitorDefect } from './kit.js';

/** `no-blocklist`: takeovers go on as if the old owner's clients had been blocklisted, but nobody asks the store. */
export const noBlocklist: MakeMonitorDefect = () => ({
  store: (store) => ({ blocklist: () => Promise.resolve(1), list: () => store.list() }),
});
