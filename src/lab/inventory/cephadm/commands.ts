import { listenerWords } from '../../cephadm/nvmeof-subsystem.js';
import { cephCommand, rbdCommand } from '../commands.js';
import type { Change } from '../commands.js';
import { shellQuote } from '../../ssh/connection.js';
import { withRole, type Inventory, type InventoryHost } from '../file.js';

/**
 * The shell commands for gateways that cephadm has deployed. As everywhere in an inventory (commands.ts): every undo may be run
 * where nothing was changed, and more than once.
 */

/** The orchestrator's service of the gateways. */
export function serviceOf({ gateways, cluster }: Inventory): string {
  return gateways.service ?? `nvmeof.${cluster.pool}.${cluster.group}`;
}

/** cephadm's name of a gateway's host. */
export function cephadmHostOf({ cephadm, name }: InventoryHost): string {
  return cephadm ?? name;
}

/** What podman's containers of the service's gateways have in their names (cephadm: `ceph-FSID-` and the daemon's name, dots as hyphens). */
export function containerNameOf(inventory: Inventory): string {
  return `^ceph-${inventory.cluster.fsid}-${serviceOf(inventory).replaceAll('.', '-')}-`;
}

/** Sets $unit to the systemd unit of the gateway that cephadm has on this host. */
function findUnit(inventory: Inventory): string {
  const { fsid } = inventory.cluster;
  return `unit=$(cd /var/lib/ceph/${fsid} && for d in ${serviceOf(inventory)}.*; do [ -d "$d" ] && echo "ceph-${fsid}@$d.service"; done | head -n 1)`;
}

/** Starts the gateway that cephadm has on the host. Five starts in half an hour are a unit's limit (StartLimitBurst=). */
export function startGateway(inventory: Inventory): string {
  return `${findUnit(inventory)} && [ -n "$unit" ] && systemctl reset-failed "$unit" && systemctl start "$unit"`;
}

/** SIGKILL to everything in the gateway's container; its unit, which would be back after RestartSec=, is stopped: it is the heal that starts it again. */
export function killGateway(inventory: Inventory): Change {
  return {
    what: 'gateway’s container killed',
    command: `${findUnit(inventory)}; podman kill --signal KILL $(podman ps --quiet --filter 'name=${containerNameOf(inventory)}') && systemctl stop "$unit"`,
    // cephadm may have removed it since: then there is nothing to start.
    undo: `${findUnit(inventory)}; [ -z "$unit" ] || systemctl is-active --quiet "$unit" || { systemctl reset-failed "$unit"; systemctl start "$unit"; }`,
  };
}

/** An orderly end of the gateway. */
export function stopGateway(inventory: Inventory): Change {
  return { what: 'gateway stopped', command: `${findUnit(inventory)}; systemctl stop "$unit"`, undo: killGateway(inventory).undo };
}

/**
 * ceph-nvmeof's own command line (control.cli), in the gateway's container. It speaks to the gateway's gRPC server, whose address is in the
 * configuration that cephadm has generated. Prints JSON; fails as the gateway refuses.
 */
function gatewayCli(inventory: Inventory, words: readonly string[]): string {
  const inside = 'of() { sed -n "/^\\[gateway\\]/,/^\\[/s/^$1 *= *//p" /src/ceph-nvmeof.conf; }; exec python3 -m control.cli --output stdio --format json --server-address "$(of addr)" --server-port "$(of port)" "$@"';
  return `podman exec $(podman ps --quiet --filter 'name=${containerNameOf(inventory)}') sh -c '${inside}' sh ${words.map((word) => shellQuote(word)).join(' ')}`;
}

const listenerVerb = (inventory: Inventory, verb: 'list' | 'add' | 'del'): string[] => ['listener', verb, '--subsystem', inventory.gateways.subsystem!];

/** Prints the listeners that the subsystem has at all gateways. */
export function listListeners(inventory: Inventory): string {
  return gatewayCli(inventory, listenerVerb(inventory, 'list'));
}

/** The subsystem loses a listener of this gateway, whoever is connected by it. The undo gives it back where it is missing. */
export function removeListener(inventory: Inventory, host: InventoryHost, address: string): Change {
  const at = listenerWords({ host: cephadmHostOf(host), address, port: inventory.gateways.port });
  const add = gatewayCli(inventory, [...listenerVerb(inventory, 'add'), ...at]);
  return {
    what: `listener ${address}:${inventory.gateways.port} removed`,
    command: gatewayCli(inventory, [...listenerVerb(inventory, 'del'), ...at, '--force']),
    undo: `found=$(${listListeners(inventory)}) && { echo "$found" | grep -qF '"traddr": "${address}"' || ${add}; }`,
  };
}

/** Prints the service's specification (YAML), as `ceph orch apply` takes it. */
export function exportSpecification(inventory: Inventory): string {
  return cephCommand(inventory, `orch ls --service_name ${serviceOf(inventory)} --export`);
}

/** How long cephadm may take until what it was told is so, seconds; less than an undo step may take (undo.ts). */
const usualSettledS = 150;

/**
 * Brings the service back to what it was, whatever cephadm was told of it and of its gateways' hosts meanwhile: the specification
 * as it was exported, no host drained or in maintenance, and a gateway that runs on each. Fails where that does not come about.
 */
export function restoreService(inventory: Inventory, specification: string, settledS = usualSettledS): string {
  const service = serviceOf(inventory);
  const hosts = withRole(inventory, 'gateway').map((host) => cephadmHostOf(host));
  const ceph = (words: string): string => cephCommand(inventory, words);
  return [
    `${ceph('orch apply -i -')} <<'PATHPROOF_END' || exit 1`, specification.trimEnd(), 'PATHPROOF_END',
    ...hosts.flatMap((host) => [
      `${ceph(`orch host maintenance exit ${host}`)} >/dev/null 2>&1`,
      ...['_no_schedule', '_no_conf_keyring'].map((label) => `${ceph(`orch host label rm ${host} ${label}`)} >/dev/null 2>&1`),
    ]),
    `runs() { ${ceph(`orch ps --service_name ${service} --refresh -f json`)} | python3 -c 'import json, sys; found = {d["hostname"] for d in json.load(sys.stdin) if d.get("status") == 1}; sys.exit(0 if set(sys.argv[1:]) <= found else 1)' ${hosts.join(' ')}; }`,
    `for i in $(seq ${settledS}); do runs && exit 0; [ $((i % 20)) != 10 ] || ${ceph(`orch start ${service}`)} >/dev/null 2>&1; sleep 1; done`,
    `echo "${service} does not run on ${hosts.join(', ')}" >&2; exit 1`,
  ].join('\n');
}

/** Prints the addresses of an image's watchers, the clients that have it open: `IMAGE ADDRESS` a line. */
export function watchersCommand(inventory: Inventory): string {
  const { cluster, namespaces } = inventory;
  const rbd = rbdCommand(inventory);
  return `for i in ${namespaces.map(({ image }) => image).join(' ')}; do ${rbd} status --format json ${cluster.pool}/$i | tr -d '\\n' | sed "s/^/$i /"; echo; done`;
}
