/** A line of trace_pipe that matters, with the time of the trace clock in microseconds. */
export type TraceLine =
  | { kind: 'aen'; tUs: number; controller: string; result: number }
  | { kind: 'ana-log-asked'; tUs: number; controller: string; cid: number }
  | { kind: 'admin-done'; tUs: number; controller: string; cid: number; status: number }
  /** The ring buffer was full: so many events are missing. */
  | { kind: 'lost'; count: number };

/** ANA log page, NVMe base specification 2.1, section 5.1.12.1.13. */
const anaLogPage = 0x0c;

const event = /\s(\d+)\.(\d{6}): (nvme_async_event|nvme_setup_cmd|nvme_complete_rq): (nvme\d+): (.*)$/;
const lost = /^CPU:\d+ \[LOST (\d+) EVENTS\]/;

/** Reads one line as `nvme:*` events print themselves (drivers/nvme/host/trace.h). Undefined: of no concern. */
export function parseTraceLine(line: string): TraceLine | undefined {
  const match = event.exec(line);
  if (match === null) {
    const missing = lost.exec(line);
    return missing === null ? undefined : { kind: 'lost', count: Number(missing[1]) };
  }
  const [, seconds, micros, name, controller, text] = match as unknown as [string, string, string, string, string, string];
  const tUs = Number(seconds) * 1_000_000 + Number(micros);
  if (name === 'nvme_async_event') {
    const result = /NVME_AEN=0x([0-9a-f]+)/i.exec(text)?.[1];
    return result === undefined ? undefined : { kind: 'aen', tUs, controller, result: parseInt(result, 16) };
  }
  const cid = /\bcmdid=(\d+)/.exec(text)?.[1];
  if (!/\bqid=0\b/.test(text) || cid === undefined) return undefined;
  if (name === 'nvme_complete_rq') {
    const status = /\bstatus=(0x[0-9a-f]+)/i.exec(text)?.[1];
    // The kernel keeps the status without its phase bit.
    return { kind: 'admin-done', tUs, controller, cid: Number(cid), status: Number(status ?? 0) & 0x7ff };
  }
  const page = /nvme_admin_get_log_page cdw10=([0-9a-f]{2})\b/.exec(text)?.[1];
  return page === undefined || parseInt(page, 16) !== anaLogPage ? undefined : { kind: 'ana-log-asked', tUs, controller, cid: Number(cid) };
}
