/** What a log measures, and the unit of its values: latencies ns, bandwidth KiB/s, IOPS. */
export type LogKind = 'slat' | 'clat' | 'lat' | 'bandwidth' | 'iops' | 'histogram';

const KINDS: Readonly<Record<string, LogKind>> = { slat: 'slat', clat: 'clat', lat: 'lat', bw: 'bandwidth', iops: 'iops', hist: 'histogram', clat_hist: 'histogram' };

/** Parts of a log's file name. */
export interface LogName {
  /** `write_lat_log=` and so on, or the job name. */
  readonly prefix: string;
  readonly kind: LogKind;
  /** 1-based number of the job; absent with `per_job_logs=0`. */
  readonly job?: number;
}

/** Takes a file name like `fio_clat.1.log`, `fio_bw.log`, `x_lat.2.log.fz` apart; undefined when it is none. */
export function parseLogName(path: string): LogName | undefined {
  const base = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  const match = /^(.*?)_(clat_hist|slat|clat|lat|bw|iops|hist)(?:\.(\d{1,9}))?\.log(?:\.fz|\.gz)?$/.exec(base);
  if (match === null) return undefined;
  return { prefix: match[1]!, kind: KINDS[match[2]!]!, ...(match[3] === undefined ? {} : { job: Number(match[3]) }) };
}
