import { InvalidArgumentError } from 'commander';

/** A part of a suite for one of several labs: the `index`-th, from 1, of `count`. */
export interface Shard { index: number; count: number }

/** Parser of an option `I/N`. */
export function shard(text: string): Shard {
  const [, index, count] = /^([1-9]\d{0,2})\/([1-9]\d{0,2})$/.exec(text) ?? [];
  if (index === undefined || Number(index) > Number(count)) throw new InvalidArgumentError('I/N is wanted, such as 1/3: the first of three parts.');
  return { index: Number(index), count: Number(count) };
}

export function shardText({ index, count }: Shard): string {
  return `${index}/${count}`;
}

/**
 * The scenarios of a shard, dealt in turns by their place in the suite: the same at every machine that has the same
 * suite and filter, no two shards have one in common, and all shards together have each of them.
 */
export function shardOf<T>(all: readonly T[], { index, count }: Shard): T[] {
  return all.filter((_, at) => at % count === index - 1);
}
