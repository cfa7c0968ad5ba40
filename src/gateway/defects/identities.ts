import { override } from '../../util/override.js';
import type { MakeDefect } from './kit.js';

/** `reuse-cntlid`: a gateway that was started again hands out controller ids of its neighbour's range. */
export const reuseCntlid: MakeDefect = ({ incarnation, groups }) => incarnation === 0 ? {} : {
  control: (control) => override(control, {
    addSubsystem: (subsystem) => control.addSubsystem({ ...subsystem, groupIndex: (subsystem.groupIndex + 1) % Math.max(2, groups.length) }),
  }),
};

/** `swap-nsids`: a gateway that was started again has the namespaces 1 and 2 the other way round. */
export const swapNsids: MakeDefect = ({ incarnation }) => incarnation === 0 ? {} : {
  control: (control) => override(control, {
    addNamespace: (nqn, namespace) => control.addNamespace(nqn, { ...namespace, nsid: namespace.nsid <= 2 ? 3 - namespace.nsid : namespace.nsid }),
  }),
};

/** `lose-namespaces` (ceph-nvmeof #602, #515): a gateway that was started again has lost the namespaces of the other ANA groups. */
export const loseNamespaces: MakeDefect = ({ incarnation }) => {
  if (incarnation === 0) return {};
  let own: number | undefined;
  return {
    control: (control) => override(control, {
      addSubsystem: (subsystem) => {
        own = subsystem.groupIndex + 1;
        return control.addSubsystem(subsystem);
      },
      addNamespace: (nqn, namespace) => namespace.anaGroup === own ? control.addNamespace(nqn, namespace) : Promise.resolve(),
    }),
  };
};
