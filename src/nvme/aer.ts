import { LogId } from './opcodes.js';
import { requireRange } from './errors.js';

/** Event types (dw0 bits 2:0). */
export const AerType = { error: 0, smart: 1, notice: 2, immediate: 3, ioSpecific: 6, vendor: 7 } as const;

/** Event information (dw0 bits 15:8) of notices. */
export const AerNotice = { namespaceAttributes: 0x00, anaChange: 0x03, discoveryChange: 0xf0 } as const;

/** Whole dw0 values of the notices that multipath lives on. */
export const AerResult = {
  namespaceAttributes: 0x0004_0002,
  anaChange: 0x000c_0302,
  discoveryChange: 0x0070_f002,
} as const;

export interface AsyncEvent {
  type: number;
  info: number;
  /** The log to read (with RAE = 0) to have the event sent again. */
  logId: number;
  isAnaChange: boolean;
  isNamespaceAttrChanged: boolean;
  isDiscoveryChange: boolean;
}

/** Reads dw0 of a completed Asynchronous Event Request. */
export function decodeAer(dw0: number): AsyncEvent {
  const type = dw0 & 7;
  const info = (dw0 >> 8) & 0xff;
  const logId = (dw0 >> 16) & 0xff;
  const notice = type === AerType.notice;
  return {
    type,
    info,
    logId,
    isAnaChange: notice && info === AerNotice.anaChange && logId === LogId.ana,
    isNamespaceAttrChanged: notice && info === AerNotice.namespaceAttributes && logId === LogId.changedNamespaces,
    isDiscoveryChange: notice && info === AerNotice.discoveryChange && logId === LogId.discovery,
  };
}

export function encodeAer(e: { type: number; info: number; logId: number }): number {
  return requireRange('type', e.type, 0, 7) | (requireRange('info', e.info, 0, 0xff) << 8) | (requireRange('logId', e.logId, 0, 0xff) << 16);
}
