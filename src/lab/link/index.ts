export { LinkError, type LinkErrorCode } from './errors.js';
export { LinkFabric } from './fabric.js';
export { connectionsPerLinkMax, cutModes, delayMaxMs, linkDirections, type CutMode, type LinkDirection, type LinkStats } from './link.js';
export type { Target } from './proxied.js';
