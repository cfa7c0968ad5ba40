import { nominalPlatform } from '../../plan/platform.js';
import type { LabPlatform, Plan } from '../../plan/types.js';
import type { LabOptions, LabProvider } from '../provider.js';
import type { Lab } from '../types.js';
import { LoopbackLab } from './lab.js';

/** Labs of this machine's processes: each run starts its own, and nothing has to be made ready. */
export class LoopbackProvider implements LabProvider {
  prepare(): Promise<LabPlatform> {
    return Promise.resolve(nominalPlatform('loopback'));
  }

  create(plan: Plan, options: LabOptions): Lab {
    return new LoopbackLab({ plan, ...options });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
