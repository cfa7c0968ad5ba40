/** A block device that a namespace is stored on. */
export interface NamespaceDevice {
  /** What the target opens, e.g. /dev/mapper/pathproof-gw1-img1. */
  path: string;
  /** Reads and writes that the device has not completed yet. */
  inflight(): number;
}

/** Gives the device of a namespace by its image's name; maps the image if it has to. */
export type OpenDevice = (image: string) => Promise<NamespaceDevice>;
