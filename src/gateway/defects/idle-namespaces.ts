import { override } from '../../util/override.js';
import type { MakeDefect } from './kit.js';

/**
 * `idle-namespaces-dead` (ceph-nvmeof #520): after a gateway has taken a group over, a namespace of it answers no
 * read before somebody has written to it: the busy ones live, the idle ones are dead.
 */
export const idleNamespacesDead: MakeDefect = ({ namespaces }) => {
  let own: number | undefined;
  const asleep = new Map<string, { wake: () => void; awake: Promise<void> }>();
  const fallAsleep = (image: string): void => {
    let wake: () => void = () => undefined;
    const awake = new Promise<void>((resolve) => {
      wake = resolve;
    });
    asleep.set(image, { wake, awake });
  };
  return {
    control: (control) => override(control, {
      setAnaState: (nqn, group, state) => {
        // The first promotion of a process is that of its own group.
        if (state === 'optimized') own ??= group;
        if (state === 'optimized' && group !== own) for (const { image } of namespaces.filter(({ anaGroup }) => anaGroup === group)) fallAsleep(image);
        return control.setAnaState(nqn, group, state);
      },
    }),
    image: (image, name) => override(image, {
      read: async (slba, nlb) => {
        await asleep.get(name)?.awake;
        return image.read(slba, nlb);
      },
      write: async (slba, data) => {
        asleep.get(name)?.wake();
        asleep.delete(name);
        return image.write(slba, data);
      },
    }),
  };
};
