import { z } from 'zod';
import { boxFlavours } from './box/recipe.js';

const count = (max: number) => z.int().min(1).max(max);
const perKind = (min: number) => z.strictObject({ ceph: z.int().min(min), gateway: z.int().min(min), host: z.int().min(min) });

/** vagrant/lab.yaml, with what the Vagrantfile has resolved: the accelerator, and where it keeps its files. */
export const settingsSchema = z.strictObject({
  gateways: count(16), hosts: count(8), namespaces: count(128), ana_groups: count(16), fabrics: count(2),
  flavour: z.enum(boxFlavours),
  gateway_kind: z.literal('nvmet', 'nvmet is the only kind of gateway so far'),
  images: z.enum(['local', 'registry']), ceph_image: z.string(), nvmeof_image: z.string(), nvmeof_cli_image: z.string(),
  accel: z.enum(['kvm', 'tcg']),
  memory: perKind(512), cpus: perKind(1),
  box: z.string().min(1), box_url: z.string(), box_version: z.string(),
  debian_suite: z.string().regex(/^[a-z]+$/), ceph_release: z.int().min(0), ceph_repository: z.string(),
  boot_timeout: z.int().min(0),
  osd_store: z.enum(['auto', 'bluestore', 'memstore']),
  plan: z.string(),
  state_dir: z.string().min(1),
}).superRefine(({ flavour, images, box, plan, osd_store }, context) => {
  if (flavour !== 'cephadm') return;
  if (osd_store === 'memstore') context.addIssue({ code: 'custom', path: ['osd_store'], message: 'cephadm gives its OSDs disks' });
  if (images === 'local' && box !== 'local') context.addIssue({ code: 'custom', path: ['images'], message: 'local images come with the local box; with another box they are pulled (images: registry)' });
  if (images === 'registry' && box === 'local') context.addIssue({ code: 'custom', path: ['images'], message: 'machines of the local box may be without internet; set a public box, too' });
  if (plan !== '') context.addIssue({ code: 'custom', path: ['plan'], message: 'a stored plan is for the flavour debian' });
});
export type LabSettings = z.output<typeof settingsSchema>;
