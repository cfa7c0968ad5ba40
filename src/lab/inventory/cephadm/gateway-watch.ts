import { z } from 'zod';
import type { EventBody } from '../../../history/events.js';
import { nowUs, sleep } from '../../../util/clock.js';
import { shellQuote, type ExecStream, type SshConnection } from '../../ssh/connection.js';

/**
 * Runs on a gateway's host for as long as somebody listens, writes nothing there, and needs what cephadm needs: Python. Each 20 ms it
 * looks whether it was let run; each 100 ms, what container cephadm's unit of the gateway has: the unit's files name the container and
 * its conmon (cephadm's unit.run: --cidfile, --conmon-pidfile), and that has a file with the container's first process
 * (conmon(8): --container-pidfile, -p). Other children of conmon are the runtime's, when a container is made or removed.
 *
 * It prints `{"gateway": {"pid", "container", "daemon"} | null}` whenever that changes, and once a second how late it was at most.
 */
const program = `
import glob, json, os, resource, sys, time
fsid, service, run = (sys.argv[1:] + ["/run"])[:3]
def read(path):
    with open(path) as file:
        return file.read()
def gateway():
    for path in glob.glob("%s/ceph-%s@%s.*.service-pid" % (run, fsid, service)):
        try:
            conmon = int(read(path))
            if read("/proc/%d/comm" % conmon).strip() != "conmon":
                continue
            words = read("/proc/%d/cmdline" % conmon).split("\\0")
            first = read(words[words.index("-p") + 1]).strip()
            if first in read("/proc/%d/task/%d/children" % (conmon, conmon)).split():
                daemon = os.path.basename(path).split("@", 1)[1][:-len(".service-pid")]
                return {"pid": int(first), "container": read(path[:-3] + "cid").strip(), "daemon": daemon}
        except (OSError, ValueError, IndexError):
            pass
    return None
def say(what):
    sys.stdout.write(json.dumps(what) + "\\n")
    sys.stdout.flush()
step, told, looked = 0.02, "", 0.0
began = last = time.monotonic()
late, cpu = [], time.process_time()
try:
    while True:
        now = time.monotonic()
        late.append(max(0.0, now - last - step))
        last = now
        if now - looked >= 0.1:
            looked = now
            found = {"gateway": gateway()}
            if json.dumps(found) != told:
                told = json.dumps(found)
                say(found)
        if now - began >= 1.0:
            late.sort()
            used = time.process_time()
            say({"watch": {"pid": os.getpid(), "maxUs": int(late[-1] * 1e6), "p99Us": int(late[len(late) * 99 // 100] * 1e6),
                "cpuPercent": round((used - cpu) / (now - began) * 100, 1), "rssBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}})
            began, late, cpu = now, [], used
        time.sleep(step)
except (BrokenPipeError, KeyboardInterrupt):
    os._exit(0)
`;

/** How often the host is looked at, microseconds: an event may be as much later than what it tells. */
export const watchPeriodUs = 100_000;

/** The command that watches a service's gateway on its host. */
export function watchCommand(fsid: string, service: string): string {
  return `exec python3 -c ${shellQuote(program)} ${fsid} ${service}`;
}

const gatewaySchema = z.object({ pid: z.int(), container: z.string(), daemon: z.string() });
const lineSchema = z.union([
  z.strictObject({ gateway: gatewaySchema.nullable() }),
  z.strictObject({ watch: z.object({ pid: z.int(), maxUs: z.number(), p99Us: z.number(), cpuPercent: z.number(), rssBytes: z.number() }) }),
]);

/** The gateway's container that runs: its first process on the host, its id, and cephadm's name of the daemon. */
export type RunningGateway = z.output<typeof gatewaySchema>;

export interface GatewayWatchOptions {
  name: string;
  ssh: Pick<SshConnection, 'stream'>;
  fsid: string;
  service: string;
  /** null: none runs. */
  onGateway: (running: RunningGateway | null) => void;
  emit: (event: EventBody) => void;
}

const reopenMs = 500;

/** What a gateway's host says of the gateway's container, and of being let run itself (`self.watch`, which stands for the host as a whole). */
export class GatewayWatch {
  readonly #o: GatewayWatchOptions;
  #stream: ExecStream | undefined;
  #stopped = false;
  #reportedUs: number | undefined;

  constructor(options: GatewayWatchOptions) {
    this.#o = options;
    void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#stream?.stop();
  }

  /** A connection that ends, as with the host's power, is opened again. */
  async #run(): Promise<void> {
    const { ssh, fsid, service } = this.#o;
    while (!this.#stopped) {
      this.#reportedUs = undefined;
      this.#stream = ssh.stream(watchCommand(fsid, service), (line) => this.#onLine(line));
      await this.#stream.ended;
      if (!this.#stopped) await sleep(reopenMs);
    }
  }

  #onLine(line: string): void {
    if (this.#stopped) return;
    const { name, onGateway, emit } = this.#o;
    const said = lineSchema.safeParse(parseJson(line));
    // Whatever else a login prints.
    if (!said.success) return;
    if ('gateway' in said.data) return onGateway(said.data.gateway);
    const { pid, maxUs, p99Us, cpuPercent, rssBytes } = said.data.watch;
    const toUs = nowUs();
    const fromUs = this.#reportedUs ?? toUs - 1_000_000;
    this.#reportedUs = toUs;
    emit({ type: 'self.watch', process: name, pid, loopDelayMaxUs: maxUs, loopDelayP99Us: p99Us, cpuPercent, rssBytes, fromUs, toUs });
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
