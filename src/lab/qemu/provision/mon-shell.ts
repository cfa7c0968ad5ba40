import { infraError } from '../../../util/errors.js';
import type { ExecStream, Ssh } from '../vm/ssh.js';

export interface MonReply { ret: number; out: string; status: string }

/**
 * One process in the guest that keeps a RADOS connection and takes monitor commands, a JSON object a
 * line. The `ceph` program would start Python and fetch all command descriptions each time: 5 s under
 * emulation, against some 10 ms.
 */
const program = `
import json, sys, time, rados
def say(message):
    sys.stdout.write(json.dumps(message) + "\\n")
    sys.stdout.flush()
deadline = time.monotonic() + int(sys.argv[1])
while True:
    try:
        cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", name="client.admin")
        cluster.connect(timeout=int(sys.argv[1]))
        break
    except rados.PermissionDeniedError:
        # A monitor that has just made its store refuses everybody until it has committed the keys.
        if time.monotonic() > deadline:
            raise
        time.sleep(0.2)
say({"ready": cluster.get_fsid()})
for line in sys.stdin:
    request = json.loads(line)
    try:
        ret, out, status = cluster.mon_command(json.dumps(request["command"]), b"", timeout=int(request["timeout"]))
        say({"id": request["id"], "ret": ret, "out": out.decode("utf8", "replace"), "status": status})
    except Exception as error:
        say({"id": request["id"], "ret": -1, "out": "", "status": repr(error)})
`;
const remotePath = '/etc/pathproof/mon_shell.py';

type Message = { ready: string } | ({ id: number } & MonReply);

export class MonShell {
  readonly #stream: ExecStream;
  readonly #pending = new Map<number, (reply: MonReply) => void>();
  readonly #ready: Promise<void>;
  #nextId = 1;
  #ended = false;

  private constructor(ssh: Ssh, connectMaxSeconds: number) {
    const errors: string[] = [];
    let ready: () => void = () => undefined;
    this.#stream = ssh.stream(`exec python3 ${remotePath} ${connectMaxSeconds}`, (line) => {
      const message = JSON.parse(line) as Message;
      if ('ready' in message) return ready();
      this.#pending.get(message.id)?.(message);
      this.#pending.delete(message.id);
    }, (line) => {
      errors.push(line);
      if (errors.length > 15) errors.shift();
    });
    this.#ready = new Promise((resolve, reject) => {
      ready = resolve;
      void this.#stream.ended.then(() => {
        this.#ended = true;
        reject(infraError('CEPH_MON', `${ssh.node}: no connection to the monitor within ${connectMaxSeconds} s`, { details: errors }));
        for (const answer of this.#pending.values()) answer({ ret: -107, out: '', status: 'the connection to the node ended' });
        this.#pending.clear();
      });
    });
  }

  /** Resolves when the monitor has accepted the session; the monitor may still be starting. */
  static async open(ssh: Ssh, connectMaxSeconds = 60): Promise<MonShell> {
    await ssh.upload(program, remotePath);
    const shell = new MonShell(ssh, connectMaxSeconds);
    await shell.#ready;
    return shell;
  }

  /** A monitor command (src/mon/MonCommands.h); `ret` is 0 or a negative errno. */
  command(command: Record<string, unknown>, timeoutSeconds = 60): Promise<MonReply> {
    if (this.#ended) return Promise.resolve({ ret: -107, out: '', status: 'the connection to the node ended' });
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      this.#stream.write(`${JSON.stringify({ id, command, timeout: timeoutSeconds })}\n`);
    });
  }

  /** The output of a command that must succeed; an infra error otherwise. */
  async must(command: Record<string, unknown>): Promise<string> {
    const reply = await this.command(command);
    if (reply.ret !== 0) throw infraError('CEPH_COMMAND', `ceph ${String(command['prefix'])}: ${reply.status} (${reply.ret})`);
    return reply.out;
  }

  close(): void {
    this.#stream.stop();
  }
}
