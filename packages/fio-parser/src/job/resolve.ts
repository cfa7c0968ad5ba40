import { FioParseError } from '../errors.js';
import { parseJobFile } from './parse.js';
import type { JobFile, JobLine, OptionLine, ResolvedJob } from './types.js';

/** Deepest nesting of includes followed. */
export const INCLUDE_DEPTH_MAX = 16;

/** Gives the text of an included file by the path in the job file. */
export type ReadInclude = (path: string) => string;

/**
 * The jobs of a file with what they inherit: a job has the options of all global sections above it, then its own.
 * Values are not expanded.
 *
 * @param readInclude without it, an include line is an error.
 * @throws FioParseError INCLUDE for an include that cannot be followed, has sections, or nests too deep.
 */
export function resolveJobs(file: JobFile, readInclude?: ReadInclude): ResolvedJob[] {
  const globals = new Map<string, string | undefined>();
  const jobs: { name: string; options: Map<string, string | undefined> }[] = [];
  let current = new Map<string, string | undefined>();
  for (const line of file.lines) {
    if (line.kind === 'section') {
      if (line.name.startsWith('global')) {
        current = globals;
      } else {
        current = new Map(globals);
        jobs.push({ name: line.name, options: current });
      }
    } else {
      for (const option of optionsOf(line, readInclude, 1)) {
        // Set again at the end, so that the order is that of the last word on it.
        current.delete(option.name);
        current.set(option.name, option.value);
      }
    }
  }
  return jobs;
}

function optionsOf(line: JobLine, readInclude: ReadInclude | undefined, depth: number): OptionLine[] {
  if (line.kind === 'option') return [line];
  if (line.kind !== 'include') return [];
  if (readInclude === undefined) throw new FioParseError('INCLUDE', `"include ${line.path}" and no way to read it`);
  if (depth > INCLUDE_DEPTH_MAX) throw new FioParseError('INCLUDE', `includes nest deeper than ${INCLUDE_DEPTH_MAX}: ${line.path}`);
  return parseJobFile(readInclude(line.path)).file.lines.flatMap((inner) => {
    if (inner.kind === 'section') throw new FioParseError('INCLUDE', `the included file ${line.path} has a section [${inner.name}]`);
    return optionsOf(inner, readInclude, depth + 1);
  });
}

/** Names of the environment variables a value refers to (`${NAME}`), in order, each once. */
export function environmentNames(value: string): string[] {
  return [...new Set([...value.matchAll(/\$\{([^}]*)\}/g)].map((match) => match[1]!))];
}

/** A value with `${NAME}` replaced as fio does: an unknown or empty variable leaves nothing. `$pagesize` and the like stay. */
export function expandEnvironment(value: string, environment: Readonly<Record<string, string | undefined>>): string {
  return value.replace(/\$\{([^}]*)\}/g, (_, name: string) => environment[name] ?? '');
}

/** Keywords of fio in a value: `$pagesize`, `$mb_memory`, `$ncpus`. */
export function keywords(value: string): string[] {
  return [...new Set(value.match(/\$(?:pagesize|mb_memory|ncpus)\b/g) ?? [])];
}
