import { guestSocketPath } from './member.js';

/** Where a guest's programs lie. */
export const guestFolder = '/usr/local/lib/pathproof';
export const supervisorPath = `${guestFolder}/supervise`;

/** The files by which a supervised member shows itself, all written whole. */
export interface MemberFiles {
  config: string;
  log: string;
  socket: string;
  /** Process id of the running incarnation; not there while none runs. */
  pid: string;
  /** Exit status of the last incarnation as a shell has it (137: SIGKILL); written when its connections are shut. */
  exit: string;
  /** There once all that the last incarnation left in the kernel is gone. */
  clean: string;
}

export function memberFiles(name: string): MemberFiles {
  const run = (ending: string): string => `/run/pathproof/${name}.${ending}`;
  return { config: `/etc/pathproof/${name}.json`, log: `/var/log/pathproof/${name}.log`, socket: guestSocketPath(name), pid: run('pid'), exit: run('exit'), clean: run('clean') };
}

/** What a gateway on SPDK has beside its process: sockets, and the store client's files. */
export function spdkFolder(name: string): string {
  return `/run/pathproof/${name}.spdk`;
}

export function programPath(entry: string): string {
  return `${guestFolder}/${entry}.mjs`;
}

/**
 * Starts one incarnation of a gateway; returns at once, and `exit` is not there before this one has ended. Does nothing
 * if one runs or is being started. If the last one is not cleaned up yet, this one waits: what the last one has under
 * way may still be executed, and nobody may be served before that.
 */
export function startCommand(name: string, entry = 'gateway'): string {
  return `rm -f ${memberFiles(name).exit}; setsid sh ${supervisorPath} ${name} ${programPath(entry)} </dev/null >/dev/null 2>&1 &`;
}

/**
 * Runs one incarnation of a gateway and takes down what it leaves.
 *
 * The kernel's target outlives the process that set it up. When that ends, however it ends, all connections are shut
 * at once, as the kernel would shut the sockets of a dead gateway in userspace. The rest is taken down from the top:
 * what waits in the queueing devices fails (nobody is there any more to be told), then namespaces, subsystems, ports,
 * devices, mappings. A step waits while I/O is under way that the storage does not answer; so may the next start.
 *
 * SPDK is a process of the gateway's own, which the kernel kills with it: there is nothing in the kernel that would be ours, and
 * what somebody else has there stays.
 */
export const supervisorScript = `#!/bin/sh
name=$1 program=$2
# For trying it out anywhere else than in a guest.
root=$PATHPROOF_ROOT
run=$root/run/pathproof log=$root/var/log/pathproof config=$root/etc/pathproof/$1.json
target=$root/sys/kernel/config/nvmet rbd=$root/sys/bus/rbd mapper=$root/dev/mapper
mkdir -p $run $log
exec >>$log/$name.log 2>&1

say() { echo "$(date -u +%FT%T.%3NZ) $name supervisor: $*"; }

# SPDK of this gateway, by the socket that only it has.
spdk() { pgrep -f -- "--rpc-socket $run/$name.spdk/" >/dev/null; }

shut() {
  case $program in *spdk-gateway.mjs) pkill -KILL -f -- "--rpc-socket $run/$name.spdk/" ;; *) rm -f $target/ports/*/subsystems/* ;; esac
}

clean() {
  case $program in *spdk-gateway.mjs)
    while spdk; do sleep 0.1; done
    rm -rf $run/$name.spdk
    say "clean"
    return ;;
  esac
  for device in $mapper/pathproof-*; do
    [ -e "$device" ] && dmsetup message "\${device##*/}" 0 fail_if_no_path
  done
  for namespace in $target/subsystems/*/namespaces/*; do
    [ -d "$namespace" ] || continue
    echo 0 >"$namespace/enable"
    rmdir "$namespace"
  done
  for subsystem in $target/subsystems/*; do [ -d "$subsystem" ] && rmdir "$subsystem"; done
  for port in $target/ports/*; do
    [ -d "$port" ] || continue
    # The group that is born with a port goes with it.
    for group in "$port"/ana_groups/*; do [ "\${group##*/}" = 1 ] || rmdir "$group"; done
    rmdir "$port"
  done
  for device in $mapper/pathproof-*; do
    [ -e "$device" ] && DM_DISABLE_UDEV=1 dmsetup remove "\${device##*/}"
  done
  for image in $rbd/devices/*; do
    [ -d "$image" ] && echo "\${image##*/} force" >$rbd/remove_single_major
  done
  say "clean"
}

# A signal must not keep it from taking down what it started.
trap : HUP INT TERM
# The one lock is held until the process is on its way, the other one until all that it left is gone.
exec 8>$run/$name.start 9>$run/$name.lock
flock -n 8 || { say "is being started already"; exit 1; }
if ! flock -n 9; then
  # It may have been killed this very moment.
  for i in 1 2 3 4 5 6 7 8 9 10; do [ ! -e $run/$name.pid ] || sleep 0.1; done
  [ ! -e $run/$name.pid ] || { say "runs already"; exit 1; }
  say "waits until the last incarnation is cleaned up"
  flock 9
fi
rm -f $run/$name.exit $run/$name.clean
# Left alone by a supervisor that was killed itself.
{ read -r old <$run/$name.pid; } 2>/dev/null && grep -qs "$program" /proc/$old/cmdline && kill -KILL $old
shut
clean
# The next incarnation finds its code compiled: half of the time in which an emulated CPU would load it.
NODE_COMPILE_CACHE=$root/var/cache/pathproof node "$program" "$config" 8>&- 9>&- &
child=$!
exec 8>&-
echo $child >$run/$name.pid.new && mv $run/$name.pid.new $run/$name.pid
wait $child
status=$?
# A signal ended the wait, not the process.
while kill -0 $child 2>/dev/null; do
  wait $child
  status=$?
done
shut
rm -f $run/$name.pid $run/$name.sock
echo $status >$run/$name.exit.new && mv $run/$name.exit.new $run/$name.exit
say "process $child ended with status $status"
clean
: >$run/$name.clean
`;
