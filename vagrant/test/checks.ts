import { hostOfGatewayId } from '../../src/lab/cephadm/names.js';
import { parsePaths } from '../../src/lab/qemu/provision/host.js';
import { parseOrchPs } from '../../src/lab/cephadm/orch-ps.js';
import { parseNvmeGwShow } from '../../src/monitor/show-parser.js';
import { parseSummaries } from '../provision/step.js';

/** Each of these says what is wrong; nothing: all is as it must be. Output that cannot be read is wrong, too. */

/** `ceph health`: a warning that is muted on purpose is none. */
export function healthProblems(output: string): string[] {
  return /^HEALTH_OK\b/m.test(output) ? [] : [`ceph health says ${output.trim() === '' ? 'nothing' : output.trim()}`];
}

/** `ceph nvme-gw show`: every gateway is AVAILABLE and ACTIVE for its own group alone. `service`: of cephadm, whose names have the host's in them. */
export function gatewayProblems(show: string, names: readonly string[], service?: string): string[] {
  const from = show.indexOf('{');
  if (from < 0) return [`nvme-gw show is no JSON: ${show.trim()}`];
  const { gateways } = parseNvmeGwShow(show.slice(from));
  return names.flatMap((name) => {
    const gateway = gateways.find(({ id }) => (service === undefined ? id : hostOfGatewayId(id, service)) === name);
    if (gateway === undefined) return [`the monitor does not know ${name}`];
    const active = Object.entries(gateway.states).filter(([, state]) => state === 'ACTIVE').map(([group]) => Number(group));
    return [
      ...(gateway.availability === 'AVAILABLE' ? [] : [`${name} is ${gateway.availability}`]),
      ...(active.length === 1 && active[0] === gateway.anaGroup ? [] : [`${name} is ACTIVE for the groups ${active.join(', ') || 'none'}, its own is ${gateway.anaGroup}`]),
    ];
  });
}

/** `ceph orch ps`: cephadm has one daemon that runs on each of these hosts. */
export function orchProblems(output: string, hosts: readonly string[]): string[] {
  const from = output.indexOf('[');
  if (from < 0) return [`orch ps is no JSON: ${output.trim()}`];
  const daemons = parseOrchPs(output.slice(from));
  return hosts.flatMap((host) => {
    const own = daemons.filter((daemon) => daemon.host === host);
    return own.length === 1 && own[0]!.status === 1 ? [] : [`${host} has ${own.map(({ name, statusText }) => `${name}: ${statusText}`).join(', ') || 'no gateway'}`];
  });
}

export interface ExpectedPaths { namespaces: number; gateways: number; fabrics: number }

/** The host's paths: to each namespace one over every gateway and fabric, all live, and those of exactly one gateway optimized. */
export function pathProblems(output: string, { namespaces, gateways, fabrics }: ExpectedPaths): string[] {
  const paths = parsePaths(output);
  return Array.from({ length: namespaces }, (_, i) => i + 1).flatMap((nsid) => {
    const own = paths.filter((path) => path.nsid === nsid);
    const optimized = own.filter(({ anaState }) => anaState === 'optimized');
    const hostNumbers = new Set(optimized.map(({ address }) => /traddr=\d+\.\d+\.\d+\.(\d+)/.exec(address)?.[1] ?? address));
    const rest = own.filter(({ anaState }) => anaState !== 'optimized' && anaState !== 'inaccessible');
    return [
      ...(own.length === gateways * fabrics ? [] : [`namespace ${nsid} has ${own.length} paths, not ${gateways * fabrics}`]),
      ...own.filter(({ controllerState }) => controllerState !== 'live').map(({ path, controllerState }) => `${path} is ${controllerState}`),
      ...(optimized.length === fabrics && hostNumbers.size === 1 ? [] : [`namespace ${nsid} has ${optimized.length} optimized paths, of ${hostNumbers.size} gateways`]),
      ...rest.map(({ path, anaState }) => `${path} is ${anaState}`),
    ];
  });
}

/** Writes to every multipath head of the host and reads it back: one line of fio's terse output (version 3) for each. */
export const ioScript = 'for head in /dev/nvme*n*; do fio --name=io --filename=$head --size=1M --bs=4k --rw=randwrite --direct=1 --verify=crc32c --do_verify=1 --verify_fatal=1 --minimal --terse-version=3; done';
const ioKb = 1_024;

/** What `ioScript` said: so many heads, and on each everything was written and read back without an error. */
export function ioProblems(output: string, heads: number): string[] {
  const lines = output.split('\n').map((line) => line.trim().split(';')).filter(([version]) => version === '3');
  return [
    ...(lines.length === heads ? [] : [`fio ran on ${lines.length} heads, not ${heads}: ${output.trim().slice(-300)}`]),
    // Fields of fio's HOWTO, "Terse output": error, and the kilobytes read and written.
    ...lines.flatMap((fields, index) => {
      const [error, readKb, writtenKb] = [fields[4], Number(fields[5]), Number(fields[46])];
      return error === '0' && readKb >= ioKb && writtenKb >= ioKb ? [] : [`head ${index + 1}: error ${error ?? 'unknown'}, ${readKb} KB read back of ${writtenKb} KB written`];
    }),
  ];
}

/** The output of `vagrant provision`: every node got to its end, and has changed as many things as it may. */
export function provisionProblems(output: string, nodes: readonly string[], may: 'change' | 'change nothing'): string[] {
  const summaries = parseSummaries(output);
  return nodes.flatMap((node) => {
    const summary = summaries.get(node);
    if (summary === undefined || summary.steps === 0) return [`${node} did not get to the end of its provisioning`];
    return may === 'change nothing' && summary.changed > 0 ? [`${node} has changed ${summary.changedTitles.join('; ')}`] : [];
  });
}
