export { chrootCommand, realMonMissing } from './chroot.js';
export { RealMonCluster, type RealMonOptions } from './cluster.js';
export { ensureCephRoot, type RootOptions } from './root.js';
export { memoryOsdConfig, startMemoryOsd, type MemoryOsdOptions } from './osd.js';
