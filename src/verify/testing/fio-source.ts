import type { FioSource } from '../../history/fio/index.js';

/** Artifacts in memory, by `<folder>/<file>`. */
export function memoryFio(files: ReadonlyMap<string, string | Buffer>): FioSource {
  const bytes = (dir: string, name: string): Buffer | undefined => {
    const content = files.get(`${dir}/${name}`);
    return typeof content === 'string' ? Buffer.from(content) : content;
  };
  return {
    text: (dir, name) => Promise.resolve(bytes(dir, name)?.toString('utf8')),
    bytes: (dir, name) => Promise.resolve(bytes(dir, name)),
    list: (dir) => Promise.resolve([...files.keys()].filter((key) => key.startsWith(`${dir}/`)).map((key) => key.slice(dir.length + 1)).sort()),
    open: async function* (dir: string, name: string) {
      const content = bytes(dir, name);
      if (content === undefined) throw new Error(`no ${dir}/${name}`);
      await Promise.resolve();
      yield content;
    },
  };
}
