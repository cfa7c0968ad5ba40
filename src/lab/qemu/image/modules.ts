/**
 * Which module files of a kernel package have to be loaded, in which order, for these modules to work:
 * from the package's own `modules.dep` and `modules.builtin` (depmod(8)).
 */
export interface ModuleFiles {
  /** Paths below /lib/modules/VERSION, each after all that it needs. */
  files: string[];
  /** Wanted modules that the kernel has built in. */
  builtin: string[];
}

/** Throws an Error that names every module the kernel has neither as a file nor built in. */
export function resolveModules(wanted: readonly string[], modulesDep: string, modulesBuiltin: string): ModuleFiles {
  const byName = new Map<string, { file: string; needs: string[] }>();
  for (const line of modulesDep.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const file = line.slice(0, colon);
    byName.set(moduleName(file), { file, needs: line.slice(colon + 1).split(' ').filter((n) => n !== '') });
  }
  const builtins = new Set(modulesBuiltin.split('\n').filter((l) => l !== '').map(moduleName));

  const files: string[] = [];
  const builtin: string[] = [];
  const missing: string[] = [];
  const visit = (name: string): void => {
    const entry = byName.get(name);
    if (entry === undefined) return;
    // modules.dep lists all that a module needs, also indirectly; the recursion is for their order.
    for (const need of entry.needs) if (!files.includes(need)) visit(moduleName(need));
    if (!files.includes(entry.file)) files.push(entry.file);
  };
  for (const module of wanted) {
    const name = moduleName(module);
    if (byName.has(name)) visit(name);
    else if (builtins.has(name)) builtin.push(module);
    else missing.push(module);
  }
  if (missing.length > 0) throw new Error(`the kernel has no module ${missing.join(', ')}`);
  return { files, builtin };
}

/** "kernel/drivers/nvme/host/nvme-tcp.ko.xz" and "nvme_tcp" are the same module. */
function moduleName(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).replace(/\.ko(\.[a-z0-9]+)?$/, '').replaceAll('-', '_');
}
