/** Two gateways, one host, one node with the administrator's keyring. */
export const exampleInventory = `format: 1
name: rack
sshConfig: ssh_config
hosts:
  ceph:
    ssh: ceph
    roles: [ceph]
  gw1:
    ssh: gw1
    roles: [gateway]
    fabrics: [192.0.2.101]
    power: { off: "ipmi gw1 off", on: "ipmi gw1 on", status: "ipmi gw1 status" }
  gw2: { ssh: gw2, roles: [gateway], fabrics: [192.0.2.102] }
  host1: { ssh: host1, roles: [host] }
cluster:
  admin: ceph
  fsid: 4f1f0a0e-8a36-4b39-9d5c-0d6f9f5d2a11
  mons: [192.0.2.11:3300]
  osds: [192.0.2.31]
  pool: rbd
  group: grp1
gateways: { kind: nvmet }
allow: [kill, network]
namespaces:
  - { image: pp1, mebibytes: 16, scratch: true }
  - { image: pp2, mebibytes: 16, scratch: true }
  - { image: pp3, mebibytes: 16, scratch: true }
  - { image: pp4, mebibytes: 16, scratch: true }
`;

/** The same hosts with SPDK on the gateways. */
export const spdkInventory = exampleInventory.replace('gateways: { kind: nvmet }', 'gateways: { kind: spdk, spdk: { target: /opt/spdk/nvmf_tgt, arguments: [--cpumask, "[0,1]", --no-huge] } }');

/** The same hosts with gateways that cephadm has deployed, on hosts that it has other names for. */
export const existingInventory = exampleInventory
  .replace('gateways: { kind: nvmet }', 'gateways: { kind: ceph-nvmeof, subsystem: "nqn.2016-06.io.spdk:cnode1", timers: { beaconGraceMs: 10000 } }')
  .replace('    fabrics: [192.0.2.101]', '    cephadm: node-a\n    fabrics: [192.0.2.101]').replace('fabrics: [192.0.2.102]', 'fabrics: [192.0.2.102], cephadm: node-b')
  .replace('ssh: host1, roles: [host]', 'ssh: host1, roles: [host], nqn: "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-0000000000AA"')
  .replace('[kill, network]', '[kill, network, cephadm]')
  .replaceAll(/image: pp(\d), mebibytes: 16, scratch: true/g, (text, n: string) => `${text}, nsid: ${10 + Number(n)}, uuid: 11111111-2222-4333-8444-55555555555${n}, anaGroup: ${((Number(n) - 1) % 2) + 1}`);
