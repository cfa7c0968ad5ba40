/** What one progress line of fio says of the time since the line before it (all running jobs together). */
export interface FioEta {
  /** Jobs that run, and files they have open. */
  jobs: number;
  files: number;
  /** Completions per second; 0: none, or too few to show. Rounded by fio to three or four digits. */
  readIops: number;
  writeIops: number;
  trimIops: number;
  /** Part of the work that is done, percent; undefined: fio cannot tell. */
  percent: number | undefined;
}

/** `Jobs: 2 (f=2)`: how each line begins that fio prints for `--eta`. */
const head = /^Jobs: (\d+) \(f=(\d+)\)/;
/** `[r=16.6k,w=16.2k IOPS]`, with only the directions that had any. */
const iops = /\[((?:[rwt]=[\d.]+[kMGTP]?,?)+) IOPS\]/;
const percent = /\[(\d+(?:\.\d+)?)%\]/;
/** num2str of fio's lib/num2str.c: decimal for IOPS. */
const units: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 };

/**
 * One progress line of `--eta=always` (display_thread_status of fio's eta.c); undefined: it is none. The first lines
 * after fio's start have no rates yet: they are 0 here.
 *
 * fio rewrites one line on a terminal: split its output at carriage returns, too.
 */
export function parseFioEta(line: string): FioEta | undefined {
  const begin = head.exec(line);
  if (begin === null) return undefined;
  const eta: FioEta = { jobs: Number(begin[1]), files: Number(begin[2]), readIops: 0, writeIops: 0, trimIops: 0, percent: undefined };
  for (const [, direction, digits, unit] of (iops.exec(line)?.[1] ?? '').matchAll(/([rwt])=([\d.]+)([kMGTP]?)/g)) {
    const rate = Math.round(Number(digits) * units[unit!]!);
    if (direction === 'r') eta.readIops = rate;
    else if (direction === 'w') eta.writeIops = rate;
    else eta.trimIops = rate;
  }
  const done = percent.exec(line);
  if (done !== null) eta.percent = Number(done[1]);
  return eta;
}
