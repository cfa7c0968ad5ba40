import { z } from 'zod';

const count = (max: number) => z.int().min(1).max(max);
const perKind = (min: number) => z.strictObject({ ceph: z.int().min(min), gateway: z.int().min(min), host: z.int().min(min) });

/** vagrant/lab.yaml, with what the Vagrantfile has resolved: the accelerator, and where it keeps its files. */
export const settingsSchema = z.strictObject({
  gateways: count(16), hosts: count(8), namespaces: count(128), ana_groups: count(16), fabrics: count(2),
  gateway_kind: z.literal('nvmet', 'nvmet is the only kind of gateway so far'),
  accel: z.enum(['kvm', 'tcg']),
  memory: perKind(512), cpus: perKind(1),
  box: z.string().min(1), box_url: z.string(), box_version: z.string(),
  debian_suite: z.string().regex(/^[a-z]+$/), ceph_release: z.int().min(0), ceph_repository: z.string(),
  boot_timeout: z.int().min(0),
  plan: z.string(),
  state_dir: z.string().min(1),
});
export type LabSettings = z.output<typeof settingsSchema>;
