import { NvmeCodecError } from './errors.js';

/** Asymmetric Namespace Access states as the base specification names them. */
export type AnaStateName = 'optimized' | 'non-optimized' | 'inaccessible' | 'persistent-loss' | 'change';

/** Name → value in the low nibble of byte 16 of an ANA group descriptor. */
export const AnaState = {
  optimized: 0x1,
  'non-optimized': 0x2,
  inaccessible: 0x3,
  'persistent-loss': 0x4,
  change: 0xf,
} as const satisfies Record<AnaStateName, number>;

const names = new Map<number, AnaStateName>(
  (Object.keys(AnaState) as AnaStateName[]).map((name) => [AnaState[name], name]),
);

/** The name of a wire value; undefined if the specification does not define it. */
export function anaStateName(value: number): AnaStateName | undefined {
  return names.get(value);
}

/** The wire value of a name. Throws `ANA_LOG` for a string that is no ANA state (from untyped input). */
export function anaStateValue(name: AnaStateName): number {
  if (!Object.hasOwn(AnaState, name)) throw new NvmeCodecError('ANA_LOG', `unknown ANA state ${String(name)}`);
  return AnaState[name];
}

/** ANACAP bits (Identify Controller, byte 343). */
export const Anacap = {
  optimized: 1 << 0,
  nonOptimized: 1 << 1,
  inaccessible: 1 << 2,
  persistentLoss: 1 << 3,
  change: 1 << 4,
  /** The ANAGRPID of a namespace does not change while it is attached to a controller. */
  groupIdStable: 1 << 6,
  groupIdSettable: 1 << 7,
} as const;
