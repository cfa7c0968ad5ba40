import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A program `ssh` for tests, which runs commands in a shell of this machine, in a folder for each destination
 * (`$PP_HOST`), and notes each of them. It answers ControlMaster's requests as if a connection were there.
 */
const script = (dir: string): string => `#!/bin/sh
dir='${dir}'
control=
while [ $# -gt 0 ]; do
  case "$1" in
    -o|-S|-F|-L) shift 2 ;;
    -O) control=$2; shift 2 ;;
    -N) control=master; shift ;;
    *) break ;;
  esac
done
host=$1
[ -e "$dir/$host.down" ] && { echo "ssh: connect to host $host: No route to host" >&2; exit 255; }
case "$control" in
  check|cancel|forward) exit 0 ;;
  master) exec sleep 600 ;;
esac
shift
[ "$1" = -- ] && shift
printf '%s\\t%s\\n' "$host" "$(printf '%s' "$*" | tr '\\n' ' ')" >>"$dir/calls"
mkdir -p "$dir/$host"
cd "$dir/$host" || exit 1
PP_HOST=$dir/$host exec sh -c "$*"
`;

export class FakeSsh {
  readonly dir: string;

  /** `dir`: a folder of the test's. Put `bin` at the front of PATH. */
  constructor(dir: string) {
    this.dir = dir;
    mkdirSync(this.bin, { recursive: true });
    const program = join(this.bin, 'ssh');
    writeFileSync(program, script(dir));
    chmodSync(program, 0o755);
  }

  get bin(): string {
    return join(this.dir, 'bin');
  }

  /** What was run, in order. */
  get calls(): { host: string; command: string }[] {
    const file = join(this.dir, 'calls');
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => {
      const [host = '', command = ''] = line.split('\t');
      return { host, command };
    });
  }

  /** Nobody gets there any more. */
  down(host: string): void {
    appendFileSync(join(this.dir, `${host}.down`), '');
  }
}
