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
