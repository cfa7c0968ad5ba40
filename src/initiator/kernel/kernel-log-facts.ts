import type { KernelLogLevel, KernelLogTopic } from '../../history/events.js';

/** One record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg). */
export interface KernelRecord {
  level: KernelLogLevel;
  /** Counts all records; a gap means that some were overwritten before they were read. */
  sequence: number;
  /** Microseconds of the kernel's log clock, which is not CLOCK_MONOTONIC. */
  logUs: number;
  message: string;
}

const levels: readonly KernelLogLevel[] = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];

/** The first line of a record, `6,1234,393912927,-;text`. Undefined: it is a continuation (` DEVICE=…`) or nothing of the kind. */
export function parseKernelRecord(line: string): KernelRecord | undefined {
  const match = /^(\d+),(\d+),(\d+),[^;]*;(.*)$/s.exec(line);
  if (match === null) return undefined;
  const [, priority, sequence, logUs, text] = match;
  // Bytes that are not printable stand as \xNN.
  const message = text!.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return { level: levels[Number(priority) & 7]!, sequence: Number(sequence), logUs: Number(logUs), message };
}

/** What the host's driver and the target say, Linux 6.1 to 7.2 (drivers/nvme/host/{core,fabrics,tcp,multipath}.c, drivers/nvme/target). The first that fits counts. */
const topics: readonly (readonly [KernelLogTopic, RegExp])[] = [
  ['error-recovery', /^nvme nvme\d+: (starting error recovery|resetting controller|ANATT timeout, resetting controller)/],
  ['reconnected', /^nvme nvme\d+: Successfully reconnected/],
  ['reconnect', /^nvme nvme\d+: (Reconnecting in \d+ seconds|Failed reconnect attempt)/],
  ['removed', /^nvme nvme\d+: (Removing controller|Removing ctrl:)/],
  ['created', /^nvme nvme\d+: new ctrl: /],
  ['keep-alive', /^nvme nvme\d+: (failed nvme_keep_alive_end_io|long keepalive RTT|keep-alive failed)/],
  ['timeout', /^nvme nvme\d+: (I\/O tag \d+ .* timeout|I\/O \d+ .*timeout|queue \d+: timeout request)/],
  ['connect-failed', /^nvme nvme\d+: (failed to connect|failed to send request|Connect |Could not set queue count|Property Set error)/],
  ['failfast', /^nvme nvme\d+: failfast expired/],
  ['ana', /^nvme nvme\d+: (ANA group \d+|Failed to get ANA log|disabling ANA support|ANA log page)/],
  ['namespaces', /^nvme nvme\d+: (rescanning namespaces|identifiers changed|.*duplicate IDs)/],
  ['no-path', /^block nvme\d+n\d+: no (usable|available) path/],
  ['io-error', /^(nvme\d+[cn]\S*: (Read|Write|Flush|.*\((sct|0x)).*|(blk_print_req_error: )?I\/O error, dev nvme\S+.*|Buffer I\/O error on dev nvme.*)/],
  ['target', /^(nvmet|nvmet_tcp): /],
];

/** Devices of the host's driver as the kernel's lines begin: `nvme nvme3: …`, `block nvme0n1: …`, `nvme0c1n1: …`. */
const deviceName = /^(?:nvme |block )?(nvme\d+(?:c\d+)?(?:n\d+)?)\b/;
/** Levels that are told whatever they are about. */
const alarming: ReadonlySet<KernelLogLevel> = new Set<KernelLogLevel>(['emerg', 'alert', 'crit', 'err', 'warning']);

/** What a record is about, and whose device; undefined: it is of no concern here. */
export function classify(record: Pick<KernelRecord, 'level' | 'message'>): { topic: KernelLogTopic; device?: string } | undefined {
  const topic = topics.find(([, pattern]) => pattern.test(record.message))?.[0];
  if (topic === undefined && !alarming.has(record.level)) return undefined;
  const device = deviceName.exec(record.message)?.[1];
  return { topic: topic ?? 'other', ...(device === undefined ? {} : { device }) };
}
